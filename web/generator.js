// torch's random numbers, bit for bit: mt19937, and the three ways in which torch draws from it on a CPU

const { fround } = Math
const size = 624
const period = 397

export class Generator {
  /** As `torch.Generator().manual_seed(seed)`; `seed` is a whole number from 0 up */
  constructor(seed) {
    this.state = new Uint32Array(size)
    this.state[0] = seed
    for (let i = 1; i < size; i++) {
      const last = this.state[i - 1] ^ (this.state[i - 1] >>> 30)
      this.state[i] = Math.imul(1812433253, last) + i
    }
    this.at = size
    this.kept = null // normal numbers come in pairs, and a single draw keeps the second
  }

  #twist() {
    const s = this.state
    for (let i = 0; i < size; i++) {
      const y = (s[i] & 0x80000000) | (s[(i + 1) % size] & 0x7fffffff)
      s[i] = s[(i + period) % size] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0)
    }
    this.at = 0
  }

  /** A whole number from 0 to below 2**32 */
  random() {
    if (this.at === size) this.#twist()
    let y = this.state[this.at++]
    y ^= y >>> 11
    y ^= (y << 7) & 0x9d2c5680
    y ^= (y << 15) & 0xefc60000
    return (y ^ (y >>> 18)) >>> 0
  }

  /** A number from 0 to below 1, of 53 bits */
  double() {
    const high = this.random() & 0x1fffff // the upper half of 64 bits is drawn first, and 53 bits of them count
    return (high * 2 ** 32 + this.random()) / 2 ** 53
  }
}

/** `n` float32 from `low` to `high`, as `Tensor.uniform_` */
export function uniform(generator, n, low, high) {
  const from = fround(low)
  const width = fround(fround(high) - from)
  // torch multiplies and adds in one operation, rounded once: here the double is exact, and stored as a float32
  return Float32Array.from({ length: n }, () => ((generator.random() & 0xffffff) / 2 ** 24) * width + from)
}

/** `n` float32, normal around 0, as `Tensor.normal_`: blocks of 16, where there are so many, or one by one */
export function randn(generator, n, std = 1) {
  const values = n < 16 ? new Float32Array(n) : uniform(generator, n, 0, 1)
  if (n < 16) for (let i = 0; i < n; i++) values[i] = oneNormal(generator) * std
  else for (let i = 0; i + 16 <= n; i += 16) normalBlock(values.subarray(i, i + 16), std)
  if (n >= 16 && n % 16) {
    const last = values.subarray(n - 16) // drawn again, as a whole
    last.set(uniform(generator, 16, 0, 1))
    normalBlock(last, std)
  }
  return values
}

function normalBlock(values, std) {
  for (let i = 0; i < 8; i++) {
    const radius = fround(Math.sqrt(fround(-2 * fround(Math.log(1 - values[i])))))
    const angle = fround(fround(2 * Math.PI) * values[i + 8])
    values[i] = fround(radius * fround(Math.cos(angle))) * std
    values[i + 8] = fround(radius * fround(Math.sin(angle))) * std
  }
}

function oneNormal(generator) {
  if (generator.kept !== null) {
    const kept = generator.kept
    generator.kept = null
    return kept
  }
  const angle = 2 * Math.PI * generator.double()
  const radius = Math.sqrt(-2 * Math.log1p(-generator.double()))
  generator.kept = radius * Math.sin(angle)
  return radius * Math.cos(angle)
}

/** The numbers 0 to n-1 in a new order, as `torch.randperm(n)` */
export function randperm(generator, n) {
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = 0; i < n - 1; i++) {
    const j = i + (generator.random() % (n - i))
    const swapped = order[i]
    order[i] = order[j]
    order[j] = swapped
  }
  return order
}
