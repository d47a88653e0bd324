// Gradient descent on a linear model of 28x28 images, over lists of the pixels that are lit.
// Weights are float32 and sums are doubles, so that it rounds, overflows and breaks where the library does.

import { Generator, randn, randperm, uniform } from './generator.js'

const { abs, exp, fround, log1p, min } = Math
const pixelCount = 28 * 28

/** Images as lists of lit pixels. `bytes` are a bit for each pixel, the first one lowest, then the values of lit ones;
 * `sizes` are the numbers of threes and sevens to train on, and of those to check with */
export function unpack(bytes, sizes) {
  const count = sizes.reduce((a, b) => a + b)
  const labels = new Uint8Array(count)
  labels.fill(1, 0, sizes[0]).fill(1, sizes[0] + sizes[1], sizes[0] + sizes[1] + sizes[2])
  const starts = new Uint32Array(count + 1)
  const values = bytes.subarray((count * pixelCount) / 8)
  const pixels = new Uint16Array(values.length)
  let k = 0
  for (let image = 0, bit = 0; image < count; image++) {
    for (let pixel = 0; pixel < pixelCount; pixel++, bit++) {
      if ((bytes[bit >> 3] >> (bit & 7)) & 1) pixels[k++] = pixel
    }
    starts[image + 1] = k
  }
  if (k !== values.length) throw new Error(`${k} pixels are lit, but there are ${values.length} values`)

  // These two are most of the work. They close over the lists, which lets a browser compile them to twice the speed.

  /** The values of an image times `weights`, summed up */
  function weighted(image, weights) {
    const end = starts[image + 1]
    let k = starts[image]
    let sum = 0
    let other = 0 // two sums side by side, which a processor adds up faster than one
    for (; k < end - 1; k += 2) {
      sum += values[k] * weights[pixels[k]]
      other += values[k + 1] * weights[pixels[k + 1]]
    }
    return sum + other + (k < end ? values[k] * weights[pixels[k]] : 0)
  }

  /** Add the values of an image times `factor` to `sums` */
  function add(image, factor, sums) {
    const end = starts[image + 1]
    for (let k = starts[image]; k < end; k++) sums[pixels[k]] += values[k] * factor
  }

  return { starts, pixels, values, labels, weighted, add, trained: sizes[0] + sizes[1], count }
}

/** Weights and bias before the first step, as the library's `make_model` draws them */
export function makeModel(recipe) {
  const generator = new Generator(recipe.seed)
  const draw = {
    linear: n => uniform(generator, n, -(pixelCount ** -0.5), pixelCount ** -0.5),
    randn: n => randn(generator, n, recipe.std),
    zeros: n => new Float32Array(n),
  }[recipe.init]
  return { weights: draw(pixelCount), bias: draw(1)[0] }
}

function sigmoid(z) {
  return fround(1 / (1 + exp(-z)))
}

/** By name: the loss of one image, and its slope, of its score `z` and its label `y` */
export const losses = {
  mnist_loss: {
    point: (z, y) => sigmoid(y ? -z : z),
    slope(z, y) {
      const p = sigmoid(z)
      return fround((y ? -1 : 1) * fround(1 - p) * p)
    },
  },
  squared: {
    point(z, y) {
      const off = fround(z - (2 * y - 1))
      return fround(off * off)
    },
    slope: (z, y) => fround(2 * fround(z - (2 * y - 1))),
  },
  cross_entropy: {
    point: (z, y) => fround((1 - y) * z - (min(z, 0) - log1p(exp(-abs(z))))),
    slope: (z, y) => fround(sigmoid(z) - y),
  },
}

/** Values are bytes, and a pixel is a 255th of one. Where the library works on bytes it divides their weighted sum, so
 * that it overflows earlier than with numbers from 0 to 1: the factors stand before and after a rounding */
const asBytes = { before: 1, after: 1 / 255 }
const asFloats = { before: 1 / 255, after: 1 }

/** The score of one image */
function score(digits, image, weights, bias, factors) {
  return fround(fround(digits.weighted(image, weights) * factors.before) * factors.after + bias)
}

function areFinite(numbers) {
  let zero = 0
  for (let i = 0; i < numbers.length; i++) zero += numbers[i] * 0
  return zero === 0
}

/** Scores of the images from `first` to before `end`, each `every`-th of them. A weight that is no number makes every
 * score NaN: a dark pixel is 0, and 0 times infinity is NaN, too */
export function scores(digits, model, first, end, every = 1) {
  const found = new Float32Array(Math.ceil((end - first) / every))
  const { weights, bias } = model
  if (!areFinite(weights)) return found.fill(NaN)
  for (let i = 0; i < found.length; i++) found[i] = score(digits, first + i * every, weights, bias, asFloats)
  return found
}

/** Loss, images right and mean confidence on the validation images */
export function judge(digits, model, loss) {
  const { trained, count, labels } = digits
  const found = scores(digits, model, trained, count)
  let sum = 0
  let right = 0
  let confidence = 0
  const { point } = losses[loss]
  for (let i = 0; i < found.length; i++) {
    const y = labels[trained + i]
    sum += point(found[i], y)
    right += found[i] > 0 === (y === 1)
    confidence += sigmoid(found[i])
  }
  const n = found.length
  return { validLoss: fround(fround(sum) / n), right, accuracy: fround(right / n), meanP: confidence / n }
}

/** Add an image times the slope `dz` to `sums`; a slope that is no number spoils them all, dark pixels included */
function add(sums, digits, image, dz) {
  if (!Number.isFinite(dz)) sums.fill(NaN)
  digits.add(image, dz, sums)
}

/** A model that goes downhill, and what is kept between steps: gradients that are not forgotten, and the last step */
class Descent {
  constructor(recipe, digits) {
    this.recipe = recipe
    this.digits = digits
    this.model = makeModel(recipe)
    this.loss = losses[recipe.loss]
    this.factors = recipe.shuffle || recipe.batch_size <= 512 ? asBytes : asFloats
    this.plain = recipe.zero_grad && !recipe.momentum
    this.sums = new Float64Array(pixelCount)
    this.grads = new Float32Array(pixelCount + 1)
    this.steps = new Float32Array(pixelCount + 1)
  }

  /** A step on a batch of images; the sum of their losses before it */
  step(images) {
    const { digits, model, sums, factors } = this
    const { point, slope } = this.loss
    const { weights, bias } = model
    const finite = areFinite(weights)
    let total = 0
    let biasSum = 0
    for (let i = 0; i < images.length; i++) {
      const image = images[i]
      const y = digits.labels[image]
      const z = finite ? score(digits, image, weights, bias, factors) : NaN
      const dz = slope(z, y)
      total += point(z, y)
      biasSum += dz
      if (dz !== 0) add(sums, digits, image, dz)
    }
    this.#move(images.length, biasSum)
    return total
  }

  /** Move weights and bias by the sums over a batch of `n` images */
  #move(n, biasSum) {
    const { model, sums, plain } = this
    const { weights } = model
    const scale = plain ? this.recipe.lr / n : 1 / n
    for (let i = 0; i < pixelCount; i++) {
      const grad = (sums[i] / 255) * scale
      weights[i] -= plain ? grad : this.#remembered(i, grad)
      sums[i] = 0
    }
    const grad = biasSum * scale
    model.bias = fround(model.bias - (plain ? grad : this.#remembered(pixelCount, grad)))
  }

  #remembered(i, grad) {
    const { grads, steps, recipe } = this
    grads[i] = recipe.zero_grad ? grad : grads[i] + grad
    steps[i] = fround(recipe.momentum * steps[i]) + grads[i]
    return fround(recipe.lr * steps[i])
  }
}

/** Train as `recipe` says: a record for the untrained model, then one after each epoch.
 * A record has epoch, trainLoss, validLoss, right, accuracy, weights, bias, and brokeAt: epoch, batch and loss of the
 * first batch whose loss was no number. `afterStep` is called in the first epoch, with the model, the batch (from 1
 * up), how many there are, the loss of that batch, and its images */
export function* run(recipe, digits, afterStep = () => {}) {
  const { trained, labels } = digits
  const descent = new Descent(recipe, digits)
  const { model, loss } = descent
  const orders = new Generator(recipe.seed)
  const size = recipe.batch_size
  const batches = Math.ceil(trained / size)
  let order = Uint32Array.from({ length: trained }, (_, i) => i)
  let brokeAt = null

  function record(epoch, trainLoss) {
    const copy = { weights: model.weights.slice(), bias: model.bias }
    return { epoch, trainLoss, ...judge(digits, model, recipe.loss), ...copy, brokeAt }
  }

  let before = 0
  scores(digits, model, 0, trained).forEach((z, i) => (before += loss.point(z, labels[i])))
  yield record(0, fround(fround(before) / trained))
  for (let epoch = 1; epoch <= recipe.epochs; epoch++) {
    if (recipe.shuffle) order = randperm(orders, trained)
    let total = 0
    for (let batch = 1; batch <= batches; batch++) {
      const images = order.subarray((batch - 1) * size, batch * size)
      const sum = descent.step(images)
      const mean = fround(fround(sum) / images.length)
      if (!brokeAt && !Number.isFinite(mean)) brokeAt = [epoch, batch, mean]
      if (epoch === 1) afterStep(model, batch, batches, mean, images)
      total += sum
    }
    const breaks = epoch < recipe.epochs && !areFinite(model.weights)
    if (!brokeAt && breaks) brokeAt = [epoch + 1, 1, NaN] // the next batch would be the first to show it
    yield record(epoch, fround(fround(total) / trained))
  }
}

/** The first epoch, batch by batch, while it is trained: `watch` is for `run`, and `look` says what was seen.
 * Where the epoch has more batches than `most`, only so many are looked at */
export function firstEpoch(recipe, digits, most = 64) {
  const kept = [{ batch: 0, loss: NaN, threes: NaN, ...makeModel(recipe) }]
  function watch(model, batch, batches, loss, images) {
    const every = Math.ceil(batches / most)
    if (batch % every && batch < batches) return
    const threes = images.reduce((sum, image) => sum + digits.labels[image], 0) / images.length
    kept.push({ batch, loss, threes, weights: model.weights.slice(), bias: model.bias })
  }
  function look() {
    const judged = kept.map(model => judge(digits, model, recipe.loss))
    const columns = { accuracy: judged.map(j => j.accuracy), meanP: judged.map(j => j.meanP) }
    return { batch: kept.map(m => m.batch), loss: kept.map(m => m.loss), ...columns }
  }
  /** What `look` says, and more: for recipes without memory whose epoch has at most `most` batches */
  function lookClosely() {
    const square = (a, b) => a.weights.reduce((sum, w, i) => sum + (w - b.weights[i]) ** 2, (a.bias - b.bias) ** 2)
    const gradNorm = kept.map((m, i) => (i ? Math.sqrt(square(m, kept[i - 1])) / recipe.lr : NaN)) // its step, over lr
    return { ...look(), gradNorm, threes: kept.map(m => m.threes), weights: kept.map(m => m.weights) }
  }
  return { watch, look, lookClosely }
}

/** Scores of each `every`-th training image, and the mean loss and gradient there */
export function gradient(digits, model, loss, every) {
  const { point, slope } = losses[loss]
  const found = scores(digits, model, 0, digits.trained, every)
  const sums = new Float64Array(pixelCount)
  const n = found.length
  let biasSum = 0
  let total = 0
  found.forEach((z, i) => {
    const y = digits.labels[i * every]
    const dz = slope(z, y)
    add(sums, digits, i * every, dz)
    biasSum += dz
    total += point(z, y)
  })
  return { found, loss: total / n, weights: sums.map(s => s / 255 / n), bias: biasSum / n }
}

/** What a model makes of each `every`-th training image: the size of the gradient, how many confidences there are
 * in each twentieth, and the share of them that is below 0.01 or above 0.99 */
export function diagnose(digits, model, loss, every) {
  const { found, weights, bias } = gradient(digits, model, loss, every)
  const counts = new Array(20).fill(0)
  let saturated = 0
  found.forEach(z => {
    const p = sigmoid(z)
    counts[min(Math.floor(p * 20), 19)] += 1
    saturated += p < fround(0.01) || p > fround(0.99)
  })
  const size = { gradNorm: fround(Math.sqrt(weights.reduce((sum, g) => sum + g * g, bias * bias))) }
  if (found.some(Number.isNaN)) return { ...size, counts: counts.fill(0), saturated: NaN }
  return { ...size, counts, saturated: saturated / found.length }
}

/** The lr above which the squared loss must explode, on the steepest of a few batches: `squared_lr_limit` */
export function squaredLrLimit(recipe, digits) {
  const { trained } = digits
  const size = recipe.batch_size
  const every = Math.max(size, Math.floor(trained / 4))
  let steepest = 0
  for (let first = 0; first < trained; first += every) {
    const end = min(first + min(size, 1024), trained)
    const sums = new Float64Array(pixelCount)
    let direction = { weights: new Float32Array(pixelCount).fill(1), bias: 1 }
    for (let turn = 0; turn < 20; turn++) {
      let biasSum = 0
      scores(digits, direction, first, end).forEach((z, i) => {
        add(sums, digits, first + i, z / 255)
        biasSum += z
      })
      const norm = Math.sqrt(sums.reduce((total, s) => total + s * s, biasSum * biasSum))
      direction = { weights: Float32Array.from(sums, s => s / norm), bias: biasSum / norm }
      sums.fill(0)
    }
    const square = scores(digits, direction, first, end).reduce((total, z) => total + z * z, 0)
    steepest = Math.max(steepest, (2 * square) / (end - first))
  }
  return 2 / steepest
}
