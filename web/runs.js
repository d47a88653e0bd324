// What came of a run: sentences, challenges and the table. A run is
// { recipe, history, diagnostics, first, device }, with a record of the engine for each epoch in `history`

import { squaredLrLimit } from './engine.js'
import { general, recipeText } from './recipe.js'

/** The first record whose losses are not all numbers, if there is one */
export function brokenRecord(run) {
  return run.history.find(r => !Number.isFinite(r.trainLoss) || !Number.isFinite(r.validLoss))
}

export function epochsTo(run, accuracy) {
  return run.history.find(r => r.accuracy >= accuracy)?.epoch
}

/** Where the loss stopped being a number, why, and what to try */
export function brokenText(recipe, digits, epoch, brokeAt) {
  if (epoch === 0) {
    return 'The loss is no number before the first step: the weights start too large; try a smaller std.'
  }
  const [atEpoch, batch, loss] = brokeAt ?? [epoch, null, NaN]
  const what = Number.isNaN(loss) ? 'NaN (not a number)' : 'infinite'
  const where = batch ? `epoch ${atEpoch}, batch ${batch}` : `epoch ${atEpoch}`
  return `The loss became ${what} at ${where}: ${whyBroken(recipe, digits)}.`
}

function whyBroken(recipe, digits) {
  if (recipe.loss !== 'squared') return 'numbers grew beyond what a float can hold; try a smaller lr'
  const plain = recipe.zero_grad && !recipe.momentum
  const limit = plain ? squaredLrLimit(recipe, digits) : Infinity
  const unit = plain ? 10 ** Math.floor(Math.log10(limit)) : 1
  const advice = recipe.lr > limit ? `try lr below ${general(Math.floor(limit / unit) * unit, 2)}` : 'try a smaller lr'
  return `a squared loss has no ceiling, so each step can be longer than the last; ${advice}`
}

/** What came of `run`, in a sentence; of one that broke, `why` says the rest */
export function summary(fields, run, why = 'The loss is no number any more.') {
  const { recipe, history } = run
  const last = history.at(-1)
  const start = `${recipeText(fields, recipe)}, on ${run.device}: `
  if (brokenRecord(run)) return start + why
  const stopped = last.epoch === recipe.epochs ? '' : ', where it was stopped'
  const losses = `loss ${last.trainLoss.toFixed(4)} in training and ${last.validLoss.toFixed(4)} in validation.`
  return `${start}accuracy ${last.accuracy.toFixed(4)} after epoch ${last.epoch}${stopped}; ${losses}`
}

export const tableHead = ['run', 'recipe', 'loss', 'accuracy', 'epochs to 0.97']

/** A row of the table of runs, as texts */
export function tableRow(fields, number, run) {
  const last = run.history.at(-1)
  const loss = brokenRecord(run) ? 'NaN' : last.validLoss.toFixed(4)
  return [`${number}`, recipeText(fields, run.recipe), loss, last.accuracy.toFixed(4), `${epochsTo(run, 0.97) ?? '-'}`]
}

function differsOnlyIn(a, b, ...names) {
  const changed = Object.keys(a).filter(name => a[name] !== b[name])
  return changed.length === 1 && names.includes(changed[0])
}

const final = run => run.history.at(-1).accuracy
const isStuck = run => run.history.length > 1 && Math.abs(run.history[1].accuracy - 1010 / 2038) < 1e-6

/** By the name that the library has for it: is a challenge met by these runs, the newest last? */
export const conditions = {
  fast: runs => runs.at(-1).history.slice(0, 4).some(r => r.accuracy >= 0.98),
  huge: runs => runs.at(-1).recipe.lr >= 10_000 && final(runs.at(-1)) >= 0.95,
  broken: runs => brokenRecord(runs.at(-1)) !== undefined,
  mystery(runs) {
    const last = runs.at(-1)
    const repaired = old => isStuck(old) && differsOnlyIn(old.recipe, last.recipe, 'shuffle', 'zero_grad')
    return final(last) >= 0.97 && runs.slice(0, -1).some(repaired)
  },
  piled: runs => !runs.at(-1).recipe.zero_grad && final(runs.at(-1)) >= 0.977,
  smallest(runs) {
    const short = runs.filter(run => run.recipe.epochs <= 5)
    const passes = run => final(run) >= 0.95
    function isEdge(a, b) {
      const ratio = a.recipe.lr / b.recipe.lr
      return passes(a) && !passes(b) && ratio > 1 && ratio <= 2 && differsOnlyIn(a.recipe, b.recipe, 'lr')
    }
    return short.some(a => short.some(b => isEdge(a, b)))
  },
}
