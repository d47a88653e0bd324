// The panel of lesson 02: accuracy and loss as the bias is turned, with their tangents

import { chartSvg } from './charts.js'
import { scores } from './engine.js'
import { general } from './recipe.js'

const biases = Array.from({ length: 601 }, (_, i) => i / 10 - 30)
const apart = 50 // every 50th validation image: so few that steps can be seen
const nudge = 1e-5

/** Scores of a model without a bias, whose weights are the mean three less the mean seven; and labels */
export function dialPoints(digits) {
  const { trained, count, labels } = digits
  const threes = labels.subarray(0, trained).reduce((sum, y) => sum + y, 0)
  const weights = new Float64Array(28 * 28)
  for (let i = 0; i < trained; i++) digits.add(i, (labels[i] ? 1 / threes : -1 / (trained - threes)) / 255, weights)
  const found = [...scores(digits, { weights, bias: 0 }, trained, count, apart)]
  return found.map((score, i) => ({ score, label: labels[trained + i * apart] }))
}

/** Where the dial stands: accuracy and loss there, their slopes, and their curves over all biases */
export function dialReading(points, bias, loud) {
  const numbers = { accuracy: (z, y) => z > 0 === (y === 1), loss: (z, y) => 1 / (1 + Math.exp(y ? z : -z)) }
  const curves = Object.entries(numbers).map(([name, number]) => {
    const f = b => points.reduce((sum, p) => sum + number(loud * (p.score + b), p.label), 0) / points.length
    return { name, at: f(bias), slope: (f(bias + nudge) - f(bias - nudge)) / (2 * nudge), values: biases.map(f) }
  })
  return { bias, loud, curves }
}

/** The same in a sentence */
export function dialText({ bias, loud, curves }) {
  const said = curves.map(c => `${c.name} ${c.at.toFixed(4)} with slope ${c.slope.toFixed(4)}`)
  return `bias ${general(bias)}, loudness ${general(loud)}: ${said.join(', ')}.`
}

function dialChart({ name, at, slope, values }, bias) {
  const reach = Math.min(8, Math.min(at, 1 - at) / Math.abs(slope) || 8) // the tangent stays within the chart
  const x = [bias - reach, bias + reach, bias].map(b => b + 30)
  const tangent = { role: 'here', x, values: [at - reach * slope, at + reach * slope, at] }
  const curve = { values, x: biases.map(b => b + 30), most: biases.length }
  const title = `${name} ${at.toFixed(4)}, slope ${slope.toFixed(4)}`
  return { title, curves: [curve, tangent], xEnd: 60, xTicks: ['-30', 'bias 30'] }
}

/** Let the two sliders in `view` turn the dial over `points` */
export function showDial(view, facts, points) {
  const [turn, loudness] = view.querySelectorAll('input')
  function draw() {
    const reading = dialReading(points, Number(turn.value), Number(general(10 ** loudness.value, 3)))
    loudness.setAttribute('aria-valuetext', reading.loud)
    const charts = reading.curves.map(c => dialChart(c, reading.bias))
    view.querySelector('.views').innerHTML = charts.map(c => chartSvg(facts, c, true)).join('')
    view.querySelector('output').textContent = dialText(reading)
  }
  view.addEventListener('input', draw)
  turn.disabled = loudness.disabled = false
  draw()
}
