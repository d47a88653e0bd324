// The panel of lesson 03: `backward()`, `step()` and `zero_()` by hand, on a few images

import { chartSvg, signedBmp } from './charts.js'
import { gradient } from './engine.js'
import { Generator, randn } from './generator.js'

const every = 200 // these images of the training set
const size = grads => Math.sqrt(grads.reduce((sum, g) => sum + g * g, 0))

/** Readings before the first press and after each; gradients are of the 784 weights, `stored` null before backward() */
export function odometer(digits, presses, lr = 1) {
  const generator = new Generator(42)
  const model = { weights: randn(generator, 784, 0.1), bias: randn(generator, 1, 0.1)[0] }
  let stored = null
  const moves = {
    'backward()'({ weights, bias }) {
      stored = { weights: weights.map((g, i) => g + (stored?.weights[i] ?? 0)), bias: bias + (stored?.bias ?? 0) }
    },
    'step()'() {
      model.weights = model.weights.map((w, i) => w - lr * stored.weights[i])
      model.bias -= lr * stored.bias
    },
    'zero_()': () => (stored = { weights: new Float32Array(784), bias: 0 }),
  }
  return ['', ...presses].map(press => {
    const fails = press !== '' && press !== 'backward()' && !stored
    if (press && !fails) moves[press](gradient(digits, model, 'mnist_loss', every))
    const { weights: fresh, loss } = gradient(digits, model, 'mnist_loss', every)
    const error = fails ? `${press} failed, as .grad is None before backward()` : ''
    return { press, loss, error, fresh, stored: stored && stored.weights }
  })
}

/** The last reading, in a sentence */
export function odometerText(readings) {
  const { press, loss, error, fresh, stored } = readings.at(-1)
  const times = stored && `${size(stored).toFixed(3)}, ${(size(stored) / size(fresh)).toFixed(2)}x the fresh one`
  const steps = readings.filter(r => r.press === 'step()' && !r.error).length
  const sizes = `fresh ${size(fresh).toFixed(3)}, stored ${times ?? 'None'}. (Steps so far: ${steps}.)`
  return `${error || press || 'Nothing pressed'}. The loss is ${loss.toFixed(4)}. Size of the gradient: ${sizes}`
}

/** Bars for the latest presses, and where the weights would move: by the fresh gradient, by the stored one */
export function odometerCharts(facts, readings) {
  const shown = readings.slice(-9)
  const heights = shown.flatMap(r => [size(r.fresh), r.stored ? size(r.stored) : 0])
  const roles = shown.flatMap(() => ['validation', 'training'])
  const scale = Math.max(...readings[0].fresh.map(Math.abs)) // one for all presses and for both
  const image = (title, grads, note) => ({ title, note, image: signedBmp(facts.palette, grads.map(g => -g / scale)) })
  const { fresh, stored } = readings.at(-1)
  const title = 'size of the gradient'
  const note = 'blue: fresh; green: stored'
  return [
    { title, note, bars: { heights, roles }, xName: 'reading', xEnd: shown.length, high: Math.max(...heights, 1e-9) },
    image('fresh: the way down', fresh, 'purple: up; orange: down'),
    image(`stored: ${stored ? 'the next step' : 'None'}`, stored ?? new Float32Array(784), 'purple: up; orange: down'),
  ]
}

/** Let the buttons in `view` ask for readings of what was pressed so far; `update` shows them */
export function watchOdometer(view, facts, ask) {
  let presses = []
  view.addEventListener('click', ({ target: { dataset } }) => {
    if (!('press' in dataset)) return
    presses = dataset.press ? [...presses, dataset.press] : []
    ask(presses)
  })
  view.addEventListener('toggle', () => view.open && ask(presses))
  return function update(readings) {
    const charts = odometerCharts(facts, readings)
    view.querySelector('.views').innerHTML = charts.map(c => chartSvg(facts, c, true)).join('')
    view.querySelector('output').textContent = odometerText(readings)
  }
}
