// Recipes as text, checked and written as the library does; `fields` come from its table

/** A number with `places` behind the point, as Python's `:f` writes it: what lies halfway becomes even */
export function fixed(value, places = 0) {
  const scaled = value * 10 ** places
  const isHalfway = scaled - Math.floor(scaled) === 0.5 && scaled / 10 ** places === value
  return (isHalfway ? (2 * Math.round(scaled / 2)) / 10 ** places : value).toFixed(places)
}

/** A number in `digits` digits, as Python's `:g` writes it */
export function general(value, digits = 6) {
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf'
  if (value === 0) return '0'
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e')
  if (exponent >= -4 && exponent < digits) return trimmed(fixed(value, digits - 1 - exponent))
  return withExponent(trimmed(mantissa), exponent)
}

function trimmed(text) {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text
}

function withExponent(mantissa, exponent) {
  const sign = exponent < 0 ? '-' : '+'
  return `${mantissa}e${sign}${String(Math.abs(exponent)).padStart(2, '0')}`
}

/** A float in full, as Python's `repr` writes it */
export function inFull(value) {
  if (!Number.isFinite(value)) return general(value)
  const [mantissa, exponent] = value.toExponential().split('e')
  if (exponent < -4 || exponent >= 16) return withExponent(mantissa, exponent)
  const places = mantissa.replace(/[-.]/g, '').length - 1 - exponent
  const text = exponent < 0 ? value.toFixed(places) : `${value}`
  return text.includes('.') ? text : `${text}.0`
}

function asPython(type, value) {
  if (type === 'str') return `'${value}'`
  if (type === 'bool') return value ? 'True' : 'False'
  return type === 'float' ? inFull(value) : `${value}`
}

function need(ok, message) {
  if (!ok) throw new Error(message)
}

function check(field, value) {
  const { name, type, want, above, least, below, choices, only } = field
  const says = text => `${name}=${asPython(type, value)}: ${text}`
  if (field.too_large != null) need(!(Math.abs(value) >= field.too_large), says('give a smaller number'))
  if (above != null) need(value > above, says(`give ${want} above ${above}`))
  const bounded = value >= least && (below == null || value < below)
  if (least != null) need(bounded, says(`give ${want} from ${least} ${below == null ? 'up' : `to below ${below}`}`))
  if (choices.length) need(choices.includes(value), says(`choose ${choices.join(' or ')}`))
  const isDevice = /^(auto|cpu|mps|cuda(:\d+)?)$/.test(value)
  if (name === 'device') need(isDevice, says('choose auto, cpu, cuda, cuda:1 or mps'))
  const here = only?.join(' or ')
  if (only) need(only.includes(value), `${name}=${value}: this page has ${here}; the rest is in the notebooks`)
}

/** A recipe with `values`, and defaults for the rest; throws where a value cannot be used, and names the field */
export function makeRecipe(fields, values) {
  const recipe = {}
  for (const field of fields) {
    recipe[field.name] = values[field.name] ?? field.default
    check(field, recipe[field.name])
  }
  return recipe
}

function toText(type, value) {
  if (type === 'bool') return value ? 'on' : 'off'
  if (type !== 'float') return `${value}`
  const short = general(value)
  return Number(short) === value ? short : inFull(value)
}

/** One line, such as `lr=1, epochs=20, shuffle=on` */
export function recipeText(fields, recipe) {
  const named = ({ name, default: usual }) => ['lr', 'epochs'].includes(name) || recipe[name] !== usual
  return fields.filter(named).map(({ name, type }) => `${name}=${toText(type, recipe[name])}`).join(', ')
}

const digits = String.raw`\d+(?:_\d+)*`
const wholeNumber = new RegExp(`^[+-]?${digits}$`)
const anyNumber = new RegExp(`^[+-]?(?:${digits}(?:\\.(?:${digits})?)?|\\.${digits})(?:e[+-]?${digits})?$`, 'i')
const words = { on: true, off: false, true: true, false: false }

function fromText({ name, type }, text) {
  if (type === 'str') return text
  const plain = text.replaceAll('_', '')
  if (type === 'bool') {
    need(Object.hasOwn(words, text.toLowerCase()), `${name}=${text}: give on or off`)
    return words[text.toLowerCase()]
  }
  if (type === 'int') {
    need(wholeNumber.test(text), `${name}=${text}: give a whole number`)
    return Number(plain)
  }
  const special = text.match(/^([+-]?)(inf(?:inity)?|nan)$/i)
  if (special) return special[2].toLowerCase() === 'nan' ? NaN : special[1] === '-' ? -Infinity : Infinity
  need(anyNumber.test(text), `${name}=${text}: give a number`)
  return Number(plain)
}

/** The recipe that `text` says; fields left out keep their default; throws where something makes no sense */
export function parseRecipe(fields, text) {
  const known = new Map(fields.map(field => [field.name, field]))
  const values = {}
  for (const part of text.split(',').map(p => p.trim()).filter(Boolean)) {
    const [name, ...rest] = part.split('=').map(p => p.trim())
    need(rest.length, `'${part}': write name=value, such as lr=1`)
    need(known.has(name), `unknown field '${name}'; a recipe has ${[...known.keys()].join(', ')}`)
    need(!Object.hasOwn(values, name), `${name} is given twice`)
    need(rest.length === 1, `${part}: put commas between the fields`)
    values[name] = fromText(known.get(name), rest[0])
  }
  return makeRecipe(fields, values)
}
