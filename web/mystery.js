// The panel of lesson 07: the first epoch batch by batch, in file order and shuffled

import { chartSvg, weightsChart } from './charts.js'
import { fixed } from './recipe.js'

/** Confidence and accuracy, the gradient, the weights; a line where the slider is */
export function mysteryCharts(facts, first, batch, everLit) {
  const axis = { xName: 'batch', xEnd: first.batch.length - 1, here: batch }
  const accuracy = { values: first.accuracy, label: 'accuracy' }
  const curves = [{ values: first.meanP, role: 'beside', label: 'mean p' }, accuracy]
  const gradient = { curves: [{ values: first.gradNorm, role: 'training' }], low: 1e-4, high: 10, log: true }
  return [
    { title: 'how sure, and how right', curves, strip: first.threes.slice(1), ...axis },
    { title: 'size of the gradient', ...gradient, ...axis },
    weightsChart(facts.palette, first.weights[batch], everLit),
  ]
}

/** What the slider shows, in a sentence */
export function mysteryText(first, batch, shuffle) {
  const order = shuffle ? 'shuffled' : 'in file order'
  const judged = `mean p ${first.meanP[batch].toFixed(4)}, accuracy ${first.accuracy[batch].toFixed(4)}`
  if (!batch) return `Before the first batch, ${order}: ${judged}.`
  const threes = `After batch ${batch} (${fixed(100 * first.threes[batch])}% threes), ${order}: ${judged}`
  return `${threes}; the gradient had a size of ${first.gradNorm[batch].toFixed(4)}.`
}

/** Let the slider and the switch in `view` look at `firsts`: the first epoch in file order, and shuffled */
export function showMystery(view, facts, everLit, firsts) {
  const [bar, box] = view.querySelectorAll('input')
  function draw() {
    const first = firsts[Number(box.checked)]
    const charts = mysteryCharts(facts, first, Number(bar.value), everLit)
    view.querySelector('.views').innerHTML = charts.map(c => chartSvg(facts, c, true)).join('')
    view.querySelector('output').textContent = mysteryText(first, Number(bar.value), box.checked)
  }
  bar.max = firsts[0].batch.length - 1
  bar.disabled = box.disabled = false
  bar.addEventListener('input', draw)
  box.addEventListener('change', draw)
  draw()
}
