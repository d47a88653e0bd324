// Trains where the page does not wait for it; the newest recipe wins, and an older one is dropped between two epochs

import { dialPoints } from './dial.js'
import { diagnose, firstEpoch, run, unpack } from './engine.js'
import { odometer } from './odometer.js'
import { brokenRecord, brokenText } from './runs.js'

const breath = new MessageChannel()
breath.port1.start()
let digits = null
let newest = 0

/** Let messages come in */
function pause() {
  return new Promise(resolve => {
    breath.port1.addEventListener('message', resolve, { once: true })
    breath.port2.postMessage(null)
  })
}

/** Unpack the images, from gzip in base 64 */
async function open(text, sizes) {
  const packed = Uint8Array.from(atob(text), c => c.charCodeAt(0))
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))
  digits = unpack(new Uint8Array(await new Response(stream).arrayBuffer()), sizes)
  const everLit = new Uint8Array(28 * 28)
  for (let k = 0; k < digits.starts[digits.trained]; k++) everLit[digits.pixels[k]] = 1
  postMessage({ kind: 'ready', everLit, trained: digits.trained })
}

async function train(id, recipe) {
  const first = firstEpoch(recipe, digits)
  const history = []
  let start = performance.now()
  let elapsed = 0
  for (const record of run(recipe, digits, first.watch)) {
    if (record.epoch > 0) elapsed += performance.now() - start
    history.push({ ...record, weights: null })
    const diagnostics = diagnose(digits, record, recipe.loss, 24)
    postMessage({ kind: 'record', id, record, diagnostics, first: record.epoch === 1 ? first.look() : null, elapsed })
    await pause()
    if (id !== newest) break
    if (!record.weights.every(Number.isFinite)) break // nothing comes back from there
    start = performance.now()
  }
  const broken = brokenRecord({ history })
  const why = broken && brokenText(recipe, digits, broken.epoch, history.at(-1).brokeAt)
  postMessage({ kind: 'end', id, why })
}

/** The first epoch of a recipe, and what the weights were after each batch */
function lookClosely(recipe) {
  const first = firstEpoch(recipe, digits)
  Array.from(run(recipe, digits, first.watch))
  return first.lookClosely()
}

onmessage = async ({ data }) => {
  try {
    if (data.text) await open(data.text, data.sizes)
    else if (data.closely) postMessage({ kind: 'closely', firsts: data.closely.map(lookClosely) })
    else if (data.dial) postMessage({ kind: 'dial', points: dialPoints(digits) })
    else if (data.presses) postMessage({ kind: 'odometer', readings: odometer(digits, data.presses) })
    else newest = data.id
    if (data.recipe) await train(data.id, data.recipe)
  } catch (error) {
    postMessage({ kind: 'error', message: `${error.name}: ${error.message}` })
  }
}
