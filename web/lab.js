// The lab: controls, charts, runs that stay, challenges. It trains in a worker; what was asked for last is shown

import { runSvg } from './charts.js'
import { control, element } from './controls.js'
import { showDial } from './dial.js'
import { showMystery } from './mystery.js'
import { watchOdometer } from './odometer.js'
import { makeRecipe, parseRecipe, recipeText } from './recipe.js'
import { conditions, summary, tableHead, tableRow } from './runs.js'

const by = id => document.getElementById(id)
const facts = JSON.parse(by('facts').textContent)
const { fields } = facts
const device = 'this page'
const usual = 'lr=1, epochs=20'
const mostRuns = 30
const mostGhosts = 5

const worker = new Worker(URL.createObjectURL(new Blob([by('worker').textContent], { type: 'text/javascript' })))
const controls = new Map()
let arrive = null // called once the images are there
const images = new Promise(resolve => (arrive = resolve))
const runs = new Map()
const solved = new Set()
let everLit = null // which pixels are ever lit; null until the images are there
let trained = 0 // how many images there are to train on
let id = 0 // of the newest run
let shown = null // that run
let written = '' // what the line of text says, when it was not typed
let opened = null // the recipe that the lab was opened with
let isDue = false // will the charts be drawn in a moment?
let isStopped = false // was that run stopped by hand?
let asked = null // a recipe that waits for the images

function say(error) {
  const text = error ? `${error.message ?? error}` : ''
  by('alert').textContent = text && (shown ? `${text}. The charts are of an earlier run.` : `${text}.`)
}

/** Do what an event asks for, and say what is wrong with it */
function attempt(action) {
  try {
    action()
    say('')
  } catch (error) {
    say(error)
  }
}

function write(recipe) {
  written = recipeText(fields, recipe)
  by('recipe').value = written
}

function train(recipe) {
  write(recipe)
  id += 1
  asked = recipe
  if (everLit) begin()
}

function begin() {
  shown = { recipe: asked, history: [], diagnostics: [], first: null, device, elapsed: 0 }
  by('stop').disabled = false
  isStopped = false
  worker.postMessage({ id, recipe: asked })
}

function stop() {
  isStopped = true
  worker.postMessage({ id: -1 })
}

/** Set all controls to `recipe`, or to what its text says, and train */
function show(recipe) {
  const wanted = typeof recipe === 'string' ? parseRecipe(fields, recipe) : recipe
  for (const [name, { set }] of controls) set(wanted[name])
  train(wanted)
}

function fromControls() {
  const values = Object.fromEntries([...controls].map(([name, { get }]) => [name, get()]))
  train(makeRecipe(fields, { ...opened, ...values }))
}

function draw(live) {
  isDue = false
  if (!shown?.history.length) return
  const charts = by('charts')
  const hadFocus = charts.contains(document.activeElement)
  const ghosts = [...runs].filter(([, run]) => written !== recipeText(fields, run.recipe)).slice(-mostGhosts)
  charts.innerHTML = runSvg(facts, shown, everLit, ghosts, live)
  if (hadFocus) charts.querySelector('.pt[tabindex="0"]')?.focus()
}

function received({ record, diagnostics, first, elapsed }) {
  const last = shown.history.at(-1)
  if (last) last.weights = null // only the newest are drawn
  shown.history.push(record)
  shown.diagnostics.push(diagnostics)
  shown.first ??= first
  shown.elapsed = elapsed
  if (!isDue) requestAnimationFrame(() => isDue && draw(true))
  isDue = true
}

/** Show how the newest run ended; one that was stopped is not kept, and meets no challenge */
function finished(why) {
  by('stop').disabled = true
  const news = isStopped ? [] : kept(shown)
  const told = news.map(i => ` Challenge ${i + 1} is solved.`).join('')
  by('says').textContent = summary(fields, shown, why) + told
  const { elapsed, history } = shown
  const epochs = history.at(-1).epoch
  const speed = Math.round((trained * epochs * 1000) / elapsed).toLocaleString('en')
  const pace = `${(elapsed / epochs).toFixed(1)} ms an epoch, ${speed} images a second`
  by('speed').textContent = epochs && elapsed ? pace : ''
  showRuns()
  draw(false)
  setAddress(written)
}

/** Keep a run under its number, that of a run of the same recipe or the next; which challenges it meets, from 0 up */
function kept(run) {
  const same = [...runs].find(([, old]) => recipeText(fields, old.recipe) === recipeText(fields, run.recipe))
  runs.set(same ? same[0] : Math.max(0, ...runs.keys()) + 1, run)
  if (runs.size > mostRuns) runs.delete(Math.min(...runs.keys()))
  const seen = [...runs.values()].filter(old => old !== run).concat(run)
  const isNew = ({ name }, i) => !solved.has(i) && conditions[name](seen)
  const news = [...facts.challenges.keys()].filter(i => isNew(facts.challenges[i], i))
  news.forEach(i => solved.add(i))
  return news
}

function clear() {
  const isKept = [...runs.values()].includes(shown)
  runs.clear()
  if (isKept) runs.set(1, shown)
  showRuns()
  draw(!by('stop').disabled)
}

function showRuns() {
  const tasks = facts.challenges.map(({ task }, i) => {
    const mark = element('b', {}, solved.has(i) ? '\u2713 done' : '\u25cb open')
    return element('li', {}, `${task} `, mark)
  })
  by('challenges').replaceChildren(...tasks)
  const numbers = [...runs.keys()].sort((a, b) => b - a)
  const rows = numbers.map(number => {
    const [name, ...cells] = tableRow(fields, number, runs.get(number))
    return element('tr', {}, element('th', { scope: 'row' }, name), ...cells.map(cell => element('td', {}, cell)))
  })
  document.querySelector('#runs tbody').replaceChildren(...rows)
  const options = numbers.map(n => element('option', { value: n }, `${n}: ${recipeText(fields, runs.get(n).recipe)}`))
  by('back').replaceChildren(element('option', { value: '' }, 'a run ...'), ...options)
}

function fromAddress() {
  const text = decodeURIComponent(location.hash.slice(1)).replaceAll(',', ', ')
  return text.includes('=') ? text : '' // the page may have places of its own
}

/** The recipe stands in the address, so that a link opens a run */
function setAddress(text) {
  const hash = `#${text.replaceAll(' ', '')}`
  if (location.hash !== hash && !(text === usual && !location.hash)) history.replaceState(null, '', hash)
}

async function copy(button, text) {
  const name = button.textContent
  try {
    await navigator.clipboard.writeText(text)
    button.textContent = 'copied'
  } catch {
    by('recipe').select() // where the page may not write there, the hand can
    button.textContent = 'press Ctrl+C'
  }
  setTimeout(() => (button.textContent = name), 1500)
}

/** The first row of controls is always there; the others fold where the page is narrow */
function buildControls() {
  const [first, more] = by('controls').querySelectorAll('.fields')
  for (const [i, row] of facts.rows.entries()) {
    const switches = element('div', { class: 'switches' })
    for (const name of row) {
      const field = fields.find(f => f.name === name)
      const made = control(field, () => attempt(fromControls))
      controls.set(name, made)
      const place = field.type === 'bool' ? switches : i ? more : first
      place.append(made.view)
    }
    if (i === 0) switches.append(element('button', { type: 'button', id: 'stop', disabled: '' }, 'stop'))
    if (switches.children.length) (i ? more : first).append(switches)
  }
  more.parentElement.open = innerWidth > 640
  by('controls').addEventListener('submit', event => event.preventDefault())
  document.querySelector('#runs thead tr').append(...tableHead.map(text => element('th', { scope: 'col' }, text)))
}

/** Charts: a click on a ghost goes back to its run; along the accuracy one walks with the arrows */
function watchCharts(charts) {
  const point = event => event.target.closest('.pt')
  function read(event) {
    const text = point(event)?.closest('svg').querySelector('.say')
    if (text) text.textContent = point(event).getAttribute('aria-label')
  }
  charts.addEventListener('mouseover', read)
  charts.addEventListener('focusin', read)
  charts.addEventListener('keydown', event => {
    const sides = { ArrowLeft: 'previousElementSibling', ArrowRight: 'nextElementSibling' }
    const next = point(event)?.[sides[event.key]]
    next?.focus()
    if (next) event.preventDefault()
  })
  charts.addEventListener('click', event => {
    const run = runs.get(Number(event.target.dataset?.run))
    if (run) attempt(() => show(run.recipe))
  })
}

/** Light, dark, or as the system has it; a page that this lab is put into may have a switch of its own */
function watchTheme(button) {
  const themes = ['auto', 'light', 'dark']
  const { dataset } = document.body
  function paint(theme) {
    dataset.theme = theme
    button.textContent = `theme: ${theme}`
  }
  button.addEventListener('click', () => {
    paint(themes[(themes.indexOf(dataset.theme) + 1) % themes.length])
    try {
      localStorage.setItem('theme', dataset.theme)
    } catch { /* then it holds until the page is closed */ }
  })
  paint(dataset.theme)
  try {
    paint(localStorage.getItem('theme') ?? dataset.theme)
  } catch { /* a page that may keep nothing starts with auto */ }
}

/** When the dial is unfolded for the first time */
function openDial() {
  images.then(() => worker.postMessage({ dial: true }))
}

/** The mystery likewise */
function openMystery() {
  const closely = ['', 'shuffle=on'].map(text => parseRecipe(fields, `lr=1, epochs=1, ${text}`))
  images.then(() => worker.postMessage({ closely }))
}

const showReadings = watchOdometer(by('odometer'), facts, presses => images.then(() => worker.postMessage({ presses })))

function openDigits() {
  worker.postMessage({ text: by('digits').textContent, sizes: facts.sizes })
}

function start() {
  if (by('theme')) watchTheme(by('theme'))
  buildControls()
  watchCharts(by('charts'))
  by('recipe').addEventListener('change', () => attempt(() => show(by('recipe').value)))
  by('recipe').addEventListener('keydown', event => {
    if (event.key === 'Enter' && by('recipe').value === written) attempt(() => show(written)) // unchanged, and meant
  })
  by('stop').addEventListener('click', stop)
  by('again').addEventListener('click', () => attempt(() => show(opened)))
  by('clear').addEventListener('click', clear)
  by('copy').addEventListener('click', event => copy(event.target, written))
  by('link').addEventListener('click', event => {
    setAddress(written)
    copy(event.target, location.href)
  })
  by('back').addEventListener('change', event => {
    const run = runs.get(Number(event.target.value))
    event.target.value = ''
    if (run) attempt(() => show(run.recipe))
  })
  by('dial').addEventListener('toggle', openDial, { once: true })
  by('mystery').addEventListener('toggle', openMystery, { once: true })
  addEventListener('hashchange', () => fromAddress() && attempt(() => show(fromAddress())))
  opened = parseRecipe(fields, usual)
  attempt(() => (opened = parseRecipe(fields, fromAddress() || usual)))
  showRuns()
  if (by('digits').textContent) openDigits()
  else by('digits').addEventListener('ready', openDigits) // they come with a file of their own
  const error = by('alert').textContent
  show(opened)
  by('alert').textContent = error
}

worker.onmessage = ({ data }) => {
  if (data.kind === 'error') say(data.message)
  if (data.kind === 'ready') {
    everLit = data.everLit
    trained = data.trained
    begin()
    arrive()
  }
  if (data.kind === 'dial') showDial(by('dial'), facts, data.points)
  if (data.kind === 'closely') showMystery(by('mystery'), facts, everLit, data.firsts)
  if (data.kind === 'odometer') showReadings(data.readings)
  if (data.id !== id) return
  if (data.kind === 'record') received(data)
  if (data.kind === 'end') finished(data.why)
}

start()
