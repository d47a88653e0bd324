// Charts as SVG text, as the library draws them: a chart is described by what `Chart` has there, in camel case.
// Geometry, colours and dashes come from its table

import { brokenRecord } from './runs.js'
import { fixed, general, recipeText } from './recipe.js'

/** Text that is safe in HTML */
export function escaped(text) {
  const names = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#x27;' }
  return `${text}`.replace(/[&<>"']/g, c => names[c])
}

/** Where a curve passes, from its first number to its last, thinned to about `most` points; a curve is
 * { values, role, label, x, ghost, most }, and `ghost` the number of an earlier run */
function pointsOf({ values, x = [...values.keys()] }, most) {
  const end = values.findLastIndex(Number.isFinite)
  const every = Math.max(1, Math.ceil((end + 1) / most))
  const kept = [...values.keys()].filter(i => i === end || (i < end && i % every === 0))
  return kept.filter(i => Number.isFinite(values[i])).map(i => [x[i], values[i]])
}

/** How far up the axis a height is drawn, from 0 to 1 */
function up({ low = 0, high = 1, log = false }, height) {
  const v = Math.min(Math.max(height, low), high)
  return log ? Math.log(v / low) / Math.log(high / low) : (v - low) / (high - low)
}

/** In words that can be read at a glance, where there are any */
function power(n) {
  const raised = [...`${n}`].map(c => (c === '-' ? '⁻' : '⁰¹²³⁴⁵⁶⁷⁸⁹'[c])).join('')
  return n >= -4 && n <= 4 ? general(10 ** n) : `10${raised}`
}

function ticks({ low = 0, high = 1, log = false }) {
  if (!log) return [low, (low + high) / 2, high].map(v => [v, general(v, 3)])
  const [bottom, top] = [low, high].map(v => Math.round(Math.log10(v)))
  const every = Math.max(1, Math.ceil((top - bottom) / 3))
  const powers = Array.from({ length: Math.floor((top - bottom) / every) + 1 }, (_, i) => top - i * every)
  return powers.map(n => [10 ** n, power(n)])
}

function lineStyle(g, { role = 'validation' }) {
  return `style="fill:none;stroke:${g.roles[role]};stroke-width:2" stroke-dasharray="${g.dashes[role] ?? ''}"`
}

function drawCurve(g, chart, curve) {
  const { values, role = 'validation', ghost = 0 } = curve
  const points = pointsOf(curve, ghost ? g.ghost_points : curve.most ?? g.points).map(([x, v]) => [
    g.left + ((g.right - g.left) * x) / (chart.xEnd ?? 1), g.bottom - (g.bottom - g.top) * up(chart, v)])
  if (!points.length) return ''
  const path = points.map(([x, y]) => `${x.toFixed(0)},${y.toFixed(ghost ? 0 : 1)}`).join(' ')
  if (ghost) return `<polyline data-run="${ghost}" points="${path}"/>`
  const [x, y] = points.at(-1)
  const line = `<polyline points="${path}" ${lineStyle(g, curve)}/>`
  if (Number.isFinite(values.at(-1))) {
    return `${line}<circle cx="${x.toFixed(0)}" cy="${y.toFixed(1)}" r="3" style="fill:${g.roles[role]}"/>`
  }
  const cross = `M${(x - 4).toFixed(0)} ${(y - 4).toFixed(0)}l8 8m0-8l-8 8`
  return `${line}<path d="${cross}" style="stroke:${g.roles[role]};stroke-width:3"/>`
}

/** A path for each role */
function drawBars(g, chart) {
  const { heights, roles } = chart.bars
  const width = (g.right - g.left) / heights.length
  const bar = i => `M${general(g.left + width * i)} ${g.bottom}v-${
    ((g.bottom - g.top) * up(chart, heights[i])).toFixed(0)}h${general(width - 1)}V${g.bottom}`
  const path = role => roles.map((r, i) => (r === role ? bar(i) : '')).join('')
  return [...new Set(roles)].map(r => `<path class="bars" d="${path(r)}" style="fill:${g.roles[r]}"/>`).join('')
}

/** Fractions of threes, from 0 to 1, as a row of colours at the lower end */
function drawStrip(g, palette, strip) {
  const width = (g.right - g.left) / strip.length
  const place = i => `x="${g.left + width * i}" y="${g.bottom}" width="${width}" height="5"`
  return strip.map((v, i) => `<rect ${place(i)} fill="rgb(${palette[Math.round(40 * v)]})"/>`).join('')
}

/** A stripe for each stop; the last one can be reached by Tab, the others by arrows */
function drawStops(g, { stops, xEnd = 1 }) {
  const across = (g.right - g.left) / xEnd
  const width = across * (stops.length > 1 ? stops[1][0] - stops[0][0] : 1)
  const stripes = stops.map(([x, words], i) => {
    const place = `d="M${(g.left + across * x).toFixed(0)} ${g.top}v${g.bottom - g.top}"`
    const tab = i < stops.length - 1 ? -1 : 0
    return `<path class="pt" tabindex="${tab}" role="img" aria-label="${escaped(words)}" ${place}/>`
  })
  return `<g style="stroke-width:${width.toFixed(1)};stroke:transparent">${stripes.join('')}</g>`
}

function drawKey(g, curve, i) {
  const x = g.left + i * 75
  return `<path d="M${x} 209h14" ${lineStyle(g, curve)}/><text x="${x + 17}" y="213">${escaped(curve.label)}</text>`
}

/** Ticks, curves, bars and the key */
/** Numbers of ghosts, at the ends of their curves, but none on another */
function drawNumbers(g, chart, ghosts) {
  const ends = ghosts.map(c => ({ n: c.ghost, end: pointsOf(c, g.ghost_points).at(-1) })).filter(({ end }) => end)
  const places = ends.map(({ n, end: [x, v] }) => ({ n, x: x / (chart.xEnd ?? 1), y: up(chart, v) }))
  places.sort((a, b) => a.y - b.y || a.x - b.x || a.n - b.n)
  const apart = (from, of, y, away, extreme) => from.filter(p => Math.abs(p.x - of.x) < .07)
    .reduce((so, p) => extreme(so, p.y + away), y)
  const raised = []
  for (const p of places) raised.push({ ...p, y: apart(raised, p, p.y, .08, Math.max) })
  const placed = []
  for (const p of raised.reverse()) placed.push({ ...p, y: apart(placed, p, Math.min(p.y, 1), -.08, Math.min) })
  const [width, height] = [g.right - g.left, g.bottom - g.top]
  return placed.map(({ n, x, y }) => {
    const place = `x="${(g.left + 2 + width * x).toFixed(0)}" y="${(g.bottom + 3 - height * y).toFixed(0)}"`
    return `<text data-run="${n}" ${place}>${n}</text>`
  })
}

function drawAxes(g, palette, chart) {
  const { curves = [], xName = '', xEnd = 1, xTicks = [0, `${xName} ${xEnd}`], here = null } = chart
  const height = g.bottom - g.top
  const quarters = [0, 1, 2, 3, 4].map(i => g.top + (height / 4) * i)
  const heights = chart.log ? ticks(chart).map(([v]) => g.bottom - height * up(chart, v)) : quarters
  const rows = heights.map(y => `M${g.left} ${general(y)}H${g.right}`).join('')
  const marks = ticks(chart).map(([v, words]) => {
    const y = (g.bottom + 4 - height * up(chart, v)).toFixed(0)
    return `<text x="${g.left - 5}" y="${y}" text-anchor="end">${words}</text>`
  })
  const left = `<text x="${g.left}" y="196">${xTicks[0]}</text>`
  const right = `<text x="${g.right}" y="196" text-anchor="end">${escaped(xTicks[1])}</text>`
  const pale = curves.filter(c => c.ghost)
  const ghosts = [...pale.map(c => drawCurve(g, chart, c)), ...drawNumbers(g, chart, pale)].join('')
  const style = `fill:none;stroke:${g.roles.beside};opacity:.55;cursor:pointer`
  const x = (g.left + ((g.right - g.left) * here) / xEnd).toFixed(0)
  const line = `<path class="here" d="M${x} ${g.top}v${height}" style="stroke:${g.roles.here}" stroke-width="2"/>`
  return [
    `<path d="${rows}" stroke="currentColor" opacity=".2"/>`, ...marks, left, right,
    ghosts && `<g class="ghosts" style="${style}">${ghosts}</g>`,
    ...curves.filter(c => !c.ghost).map(c => drawCurve(g, chart, c)),
    chart.bars ? drawBars(g, chart) : '', drawStrip(g, palette, chart.strip ?? []), here === null ? '' : line,
    ...curves.filter(c => c.label).map((c, i) => drawKey(g, c, i)),
  ].join('')
}

/** A small chart; `live` where it is redrawn in a moment, and there is nothing to point at */
export function chartSvg({ geometry: g, palette }, chart, live = false) {
  const { title, image, stops = [], note = stops.at(-1)?.[1] ?? '' } = chart
  const hasStops = stops.length && !live
  const start = `<image x="40" y="26" width="220" height="160" style="image-rendering:pixelated"`
  let body = image ? `${start} href="data:image/bmp;base64,${image}"/>` : drawAxes(g, palette, chart)
  if (hasStops) body += `${drawStops(g, chart)}<text class="say" x="8" y="213">${escaped(note)}</text>`
  else if (chart.note) body += `<text x="8" y="213">${escaped(note)}</text>`
  const reads = `${chart.reads ?? title}${hasStops ? '; arrow keys walk along it' : ''}`
  const role = image ? 'img' : 'group'
  const head = `<svg viewBox="0 0 ${g.width} ${g.height}" role="${role}" aria-label="${escaped(reads)}"`
  const name = `<text x="8" y="16" font-weight="bold" font-size="13">${escaped(title)}</text>`
  return `${head} font-size="12" fill="currentColor">${name}${body}</svg>`
}

// The charts of a run; `ghosts` are pairs of a number and an earlier run

function ghostCurves(ghosts, value, epochs) {
  const upTo = run => run.history.slice(0, epochs + 1).map(value)
  return ghosts.map(([ghost, run]) => ({ values: upTo(run), role: 'beside', ghost }))
}

function lossChart(run, ghosts) {
  const all = run.history.flatMap(r => [r.trainLoss, r.validLoss]).filter(Number.isFinite)
  const high = Math.max(1, ...(brokenRecord(run) ? all.slice(0, 2) : all))
  const curves = [
    { values: run.history.map(r => r.trainLoss), role: 'training', label: 'training' },
    { values: run.history.map(r => r.validLoss), label: 'validation' },
    ...ghostCurves(ghosts, r => r.validLoss, run.recipe.epochs),
  ]
  return { title: 'loss', curves, xName: 'epoch', xEnd: run.recipe.epochs, high }
}

function numbers(r) {
  const losses = `train ${general(r.trainLoss, 3)}, valid ${general(r.validLoss, 3)}`
  return `epoch ${r.epoch}: ${r.accuracy.toFixed(4)}, ${losses}`
}

/** Accuracy by epoch; some 16 epochs, the last among them, can be pointed at */
function accuracyChart({ history, recipe }, ghosts) {
  const last = history.at(-1)
  const every = Math.ceil(history.length / 16)
  const stops = history.filter((r, i) => i % every === 0 && r !== last).concat(last).map(r => [r.epoch, numbers(r)])
  const accuracy = last.accuracy.toFixed(4)
  return {
    title: `accuracy ${accuracy}`, reads: `accuracy by epoch, ${accuracy} after epoch ${last.epoch}`, low: 0.4, stops,
    curves: [{ values: history.map(r => r.accuracy) }, ...ghostCurves(ghosts, r => r.accuracy, recipe.epochs)],
    xName: 'epoch', xEnd: recipe.epochs,
  }
}

/** Which shade, from 0 to 41, each weight has */
export function shades(weights, everLit) {
  const tame = Array.from(weights, w => (Number.isFinite(w) ? w : 0))
  const sizes = tame.map(Math.abs).sort((a, b) => a - b)
  const at = (sizes.length - 1) * 0.98
  const below = Math.floor(at)
  const high = Math.max(sizes[below] + (at - below) * (sizes[below + 1] - sizes[below]), 1e-12)
  return tame.map((w, i) => (everLit[i] ? Math.round(20 * Math.min(Math.max(w / high, -1), 1) + 20) : 41))
}

export function weightsBmp(palette, weights, everLit) {
  return bitmap(palette, shades(weights, everLit))
}

/** Numbers from -1 to 1 in the colours of the weights */
export function signedBmp(palette, values) {
  return bitmap(palette, Array.from(values, v => Math.round(20 * Math.min(Math.max(v, -1), 1) + 20)))
}

/** A 28x28 BMP, in base 64: a bitmap needs no compression, so that it can be written by hand */
function bitmap(palette, shaded) {
  const head = new DataView(new ArrayBuffer(54))
  const rows = new Uint8Array(28 * 84)
  shaded.forEach((shade, i) => {
    const place = (27 - Math.floor(i / 28)) * 84 + (i % 28) * 3 // rows from the bottom up, colours from blue to red
    rows.set([...palette[shade]].reverse(), place)
  })
  head.setUint16(0, 0x424d)
  const words = { 2: 54 + rows.length, 10: 54, 14: 40, 18: 28, 22: 28, 34: rows.length }
  for (const [place, value] of Object.entries(words)) head.setUint32(place, value, true)
  head.setUint16(26, 1, true)
  head.setUint16(28, 24, true)
  return btoa(String.fromCharCode(...new Uint8Array(head.buffer), ...rows))
}

export function weightsChart(palette, weights, everLit) {
  const note = 'purple three, orange seven, grey never lit'
  return { title: 'weights', image: weightsBmp(palette, weights, everLit), reads: 'weights as an image', note }
}

function firstChart(first) {
  const chart = { title: 'first epoch, batch by batch', xName: 'batch' }
  if (!first) return chart // it keeps its place
  const { batch: x } = first
  const curves = [
    { values: first.loss, role: 'training', label: 'loss', x }, { values: first.accuracy, label: 'accuracy', x },
    { values: first.meanP, role: 'beside', label: 'mean p', x },
  ]
  return { ...chart, curves, xEnd: x.at(-1) }
}

function gradientChart(diagnostics, epochs) {
  const norms = diagnostics.map(d => d.gradNorm)
  const logs = norms.filter(v => v > 0 && v < Infinity).map(Math.log10)
  const top = Math.ceil(Math.max(1, ...logs))
  return {
    title: `size of the gradient ${general(norms.at(-1), 2)}`, curves: [{ values: norms, role: 'training' }],
    xName: 'epoch', xEnd: epochs, low: 1e-4, high: 10 ** top, log: true,
  }
}

function confidenceChart({ counts, saturated }) {
  const share = Number.isNaN(saturated) ? 'no numbers' : `${fixed(100 * saturated)}% saturated`
  const roles = counts.map((_, i) => (i < counts.length / 2 ? 'seven' : 'three'))
  return { title: `confidence p: ${share}`, bars: { heights: counts, roles }, xName: 'p', high: Math.max(1, ...counts) }
}

/** Charts of `run`, with `ghosts`; `live` where it is redrawn in a moment */
export function runSvg(facts, run, everLit, ghosts = [], live = false) {
  const { recipe, history, diagnostics } = run
  const last = history.at(-1)
  const charts = [
    lossChart(run, ghosts), accuracyChart(run, ghosts), weightsChart(facts.palette, last.weights, everLit),
    firstChart(run.first), gradientChart(diagnostics, recipe.epochs), confidenceChart(diagnostics.at(-1)),
  ]
  const data = {
    recipe: recipeText(facts.fields, recipe), lr: general(recipe.lr), epochs: recipe.epochs, epoch: last.epoch,
    accuracy: last.accuracy.toFixed(4),
  }
  const says = Object.entries(data).map(([name, value]) => `data-${name}="${escaped(value)}"`).join(' ')
  return `<div class="charts" ${says}>${charts.map(c => chartSvg(facts, c, live)).join('')}</div>`
}
