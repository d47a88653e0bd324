// A control for each field of a recipe; what a field is like comes from the library's table

import { general } from './recipe.js'

/** An element with attributes and children */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value)
  made.append(...children)
  return made
}

function labelled(field, ...children) {
  const label = element('label', { for: field.name, title: field.help }, field.label || field.name.replace('_', ' '))
  return element('div', { class: 'number', title: field.help }, label, ...children)
}

/** A number box and a slider that show one number; the box takes what lies beyond the slider's ends */
function numberControl(field, changed) {
  const { low, high, step = 1, log = false, base = 10 } = field.slider
  const whole = field.type === 'int'
  const unit = v => (log ? Math.log(v) / Math.log(base) : v)
  const rounded = v => Number(v.toFixed(6))
  const value = u => {
    const v = log ? base ** u : u
    return whole ? Math.round(v) : log ? Number(general(v, 3)) : rounded(v)
  }
  const box = element('input', { type: 'number', id: field.name, step: whole ? 1 : 'any' })
  const ends = { min: rounded(unit(low)), max: rounded(unit(high)), step }
  const bar = element('input', { type: 'range', 'aria-label': `${field.name}, slider`, ...ends })
  function setBar(v) {
    if (Number.isFinite(v)) bar.value = unit(Math.min(Math.max(v, low), high))
    bar.setAttribute('aria-valuetext', box.value)
  }
  bar.addEventListener('input', () => {
    box.value = value(Number(bar.value))
    bar.setAttribute('aria-valuetext', box.value)
    changed()
  })
  box.addEventListener('change', () => {
    setBar(Number(box.value))
    changed()
  })
  function get() {
    const number = Number(box.value)
    if (box.value === '') throw new Error(`${field.name} is not a number: give a number`)
    if (whole && !Number.isInteger(number)) throw new Error(`${field.name}=${box.value}: give a whole number`)
    return number
  }
  function set(v) {
    box.value = v
    setBar(v)
  }
  return { get, set, view: labelled(field, box, bar) }
}

function switchControl(field, changed) {
  const box = element('input', { type: 'checkbox', id: field.name })
  box.addEventListener('change', changed)
  const label = element('label', { for: field.name }, field.name)
  const view = element('div', { class: 'switch', title: field.help }, box, label)
  return { get: () => box.checked, set: on => (box.checked = on), view }
}

function choiceControl(field, changed) {
  const list = element('select', { id: field.name }, ...field.choices.map(c => element('option', {}, c)))
  list.addEventListener('change', changed)
  return { get: () => list.value, set: word => (list.value = word), view: labelled(field, list) }
}

/** The control of a field: `get` its value (throws where there is none), `set` it, and `view`, to be shown */
export function control(field, changed) {
  if (field.type === 'bool') return switchControl(field, changed)
  return (field.slider ? numberControl : choiceControl)(field, changed)
}
