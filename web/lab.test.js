// What needs neither torch nor a browser: `node --test`. tests/test_web.py compares the rest with the library

import assert from 'node:assert/strict'
import test from 'node:test'
import { weightsBmp } from './charts.js'
import { makeModel, run, unpack } from './engine.js'
import { Generator, randperm } from './generator.js'
import { fixed, general, inFull } from './recipe.js'

/** 8 images of one row of pixels each: threes are lit on the left, sevens on the right */
function fewDigits() {
  const sizes = [2, 2, 2, 2]
  const bits = new Uint8Array(8 * 98)
  const values = []
  for (let image = 0; image < 8; image++) {
    const isThree = [0, 1, 4, 5].includes(image)
    bits[image * 98] = isThree ? 0b00000111 : 0b11100000
    values.push(255, 128, 64)
  }
  return unpack(Uint8Array.from([...bits, ...values]), sizes)
}

const recipe = {
  lr: 1, epochs: 5, batch_size: 2, shuffle: false, init: 'zeros', std: 1, seed: 42, loss: 'mnist_loss', zero_grad: true,
  momentum: 0, model: 'linear', device: 'auto', source: 'auto',
}

test('the mersenne twister says what its makers print for the seed 5489', () => {
  const generator = new Generator(5489)
  for (const number of [3499211612, 581869302, 3890346734]) assert.equal(generator.random(), number)
  for (let i = 3; i < 9999; i++) generator.random()
  assert.equal(generator.random(), 4123659995) // the 10,000th, as the C++ standard demands
})

test('an order holds every number once', () => {
  assert.deepEqual([...randperm(new Generator(1), 100)].sort((a, b) => a - b), [...Array(100).keys()])
})

test('images are unpacked to lists of lit pixels, and too few values are noticed', () => {
  const digits = fewDigits()
  assert.deepEqual([...digits.pixels.slice(0, 9)], [0, 1, 2, 0, 1, 2, 5, 6, 7])
  assert.deepEqual([...digits.labels], [1, 1, 0, 0, 1, 1, 0, 0])
  assert.equal(digits.starts[8], 24)
  assert.throws(() => unpack(new Uint8Array(8 * 98).fill(1), [2, 2, 2, 2]), /are lit/)
})

test('a model of zeros learns to tell left from right, by every loss', () => {
  for (const loss of ['mnist_loss', 'squared', 'cross_entropy']) {
    const records = [...run({ ...recipe, loss, lr: 0.1, epochs: 50, shuffle: true }, fewDigits())]
    assert.equal(records.length, 51)
    assert.equal(records[0].right, 2) // a score of 0 says seven
    assert.equal(records.at(-1).right, 4)
    assert.ok(records.at(-1).validLoss < records[0].validLoss)
  }
})

test('a step that is too long ends in NaN, and says where', () => {
  const last = [...run({ ...recipe, loss: 'squared', lr: 1e20 }, fewDigits())].at(-1)
  assert.ok(Number.isNaN(last.validLoss))
  assert.deepEqual(last.brokeAt.slice(0, 2), [1, 2])
})

test('momentum and a gradient that is kept change the run', () => {
  const weights = changes => [...run({ ...recipe, ...changes }, fewDigits())].at(-1).weights.join()
  assert.equal(new Set([{}, { momentum: 0.5 }, { zero_grad: false }, { batch_size: 3 }].map(weights)).size, 4)
})

test('the seed draws the weights', () => {
  const drawn = seed => makeModel({ ...recipe, init: 'linear', seed }).weights.join()
  assert.equal(drawn(1), drawn(1))
  assert.notEqual(drawn(1), drawn(2))
})

test('numbers are written as Python writes them', () => {
  const short = [0.0001, 1e-5, 123456, 1234567, 0.1, 100].map(v => general(v))
  assert.deepEqual(short, ['0.0001', '1e-05', '123456', '1.23457e+06', '0.1', '100'])
  assert.deepEqual([1, 0.1, 1e-5, 1e16, 123456.5].map(inFull), ['1.0', '0.1', '1e-05', '1e+16', '123456.5'])
  assert.deepEqual([0.5, 1.5, 2.5].map(v => fixed(v)), ['0', '2', '2'])
  assert.equal(fixed(0.125, 2), '0.12')
})

test('the weights are a bitmap of 28 by 28', () => {
  const palette = Array.from({ length: 42 }, (_, i) => [i, 2 * i, 3 * i])
  const bytes = Buffer.from(weightsBmp(palette, new Float32Array(784).fill(1), new Uint8Array(784)), 'base64')
  assert.equal(bytes.toString('latin1', 0, 2), 'BM')
  assert.equal(bytes.readUInt32LE(2), bytes.length)
  assert.deepEqual([...bytes.subarray(54, 57)], [123, 82, 41]) // never lit: the last colour, blue first
})
