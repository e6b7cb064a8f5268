// Amounts of resources in API objects: 500m, 2Gi, 1e3. The API server keeps each in one form only, without fractions
// and with the largest suffix that allows that (apimachinery pkg/api/resource): 0.5 is 500m, and 1024Mi is 1Gi.

const pattern = /^([+-]?)(?=\.?\d)(\d*)\.?(\d*)([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?$/
const decimalSuffixes = ['n', 'u', 'm', '', 'k', 'M', 'G', 'T', 'P', 'E']
const binarySuffixes = ['', 'Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei']

/** Everything is counted in billionths: nothing smaller can be said, and is rounded up. */
const one = 1_000_000_000n
const most = (2n ** 63n - 1n) * one

interface Quantity {
  readonly minus: '-' | ''
  readonly billionths: bigint
  readonly suffix: string
}

function parse(text: string): Quantity | null {
  // A bound on the digits that have to be computed with; the real amounts of anything have far fewer.
  if (text.length > 256) return null
  const [, sign, whole = '', fraction = '', suffix = ''] = pattern.exec(text) ?? []
  if (sign === undefined) return null
  const digits = BigInt(whole + fraction)
  const billionths = suffix.endsWith('i')
    ? scaled(digits * 1024n ** BigInt(binarySuffixes.indexOf(suffix)), 9 - fraction.length)
    : scaled(digits, powerOf(suffix) + 9 - fraction.length)
  return { minus: sign === '-' ? '-' : '', billionths: billionths < most ? billionths : most, suffix }
}

/** The amount as a number, for comparing it; null for a text that is no quantity. */
export function amountOf(text: string | number): number | null {
  const quantity = parse(String(text))
  if (quantity === null) return null
  const amount = Number(quantity.billionths) / Number(one)
  return quantity.minus === '-' ? -amount : amount
}

/** The same amount as the API server writes it, or null for a text that it wouldn't read. */
export function canonicalQuantity(text: string): string | null {
  const quantity = parse(text)
  if (quantity === null) return null
  const { minus, billionths: bounded, suffix } = quantity
  if (bounded === 0n) return '0'
  const isBinary = suffix.endsWith('i')
  if (isBinary && bounded >= 1024n * one) {
    const [count, steps] = divided(scaled(bounded, -9), 1024n, binarySuffixes.length - 1)
    return `${minus}${count}${binarySuffixes[steps]}`
  }
  const [count, steps] = divided(bounded, 1000n, decimalSuffixes.length - 1)
  const power = steps * 3 - 9
  const isExponent = /^[eE]./.test(suffix)
  return `${minus}${count}${isExponent ? (power === 0 ? '' : `e${power}`) : decimalSuffixes[steps]}`
}

/** The power of ten that a decimal suffix or an exponent stands for. */
function powerOf(suffix: string): number {
  return /^[eE]./.test(suffix) ? Number(suffix.slice(1)) : decimalSuffixes.indexOf(suffix) * 3 - 9
}

/** `digits` × 10^`power`, rounded up. Powers that lead out of all bounds aren't computed. */
function scaled(digits: bigint, power: number): bigint {
  if (digits === 0n) return 0n
  if (power > 40) return most
  if (power < -600) return 1n
  if (power >= 0) return digits * 10n ** BigInt(power)
  const divisor = 10n ** BigInt(-power)
  return (digits + divisor - 1n) / divisor
}

/** Divides by `base` as long as nothing remains, at most `steps` times. */
function divided(count: bigint, base: bigint, steps: number): readonly [count: bigint, steps: number] {
  let rest = count
  let step = 0
  while (step < steps && rest % base === 0n) {
    rest /= base
    step++
  }
  return [rest, step]
}
