// Charts as inline SVG: bars with the range of the rounds, and lines over a logarithmic axis. Colours are CSS variables
// of the page ("--series-1", …), so that a chart is readable in light and dark.

export interface Bar {
  readonly label: string
  /** Which colour: counted from 0. */
  readonly series: number
  readonly value: number
  readonly min: number
  readonly max: number
  /** What is written beside the bar. */
  readonly text: string
}

export interface Line {
  readonly label: string
  readonly series: number
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

export interface Axis {
  readonly ticks: readonly number[]
  /** From 0 (left, bottom) to 1. */
  at(value: number): number
  format(value: number): string
}

export function escapeXml(text: string): string {
  return text.replace(/[&<>"']/g, char => `&#${char.charCodeAt(0)};`)
}

const rowHeight = 30
const labelWidth = 150
const textWidth = 130

/** Horizontal bars from zero; the thin line across a bar's end goes from the lowest round to the highest. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const width = 640
  const room = width - labelWidth - textWidth
  const most = Math.max(...bars.map(({ max }) => max), Number.MIN_VALUE)
  const x = (value: number): number => round(labelWidth + (Math.max(0, value) / most) * room)
  const rows = bars.map(({ label, series, value, min, max, text }, index) => {
    const top = index * rowHeight + 6
    const middle = top + 9
    return (
      `<g><title>${escapeXml(`${label}: ${text}`)}</title>` +
      `<text x="${labelWidth - 10}" y="${middle + 4}" text-anchor="end">${escapeXml(label)}</text>` +
      `<rect x="${labelWidth}" y="${top}" width="${round(Math.max(1, x(value) - labelWidth))}" height="18" rx="2" ` +
      `fill="${colour(series)}"/>` +
      `<path class="range" d="M${x(min)} ${middle}H${x(max)}M${x(min)} ${middle - 4}v8M${x(max)} ${middle - 4}v8"/>` +
      `<text class="figure" x="${round(Math.max(x(value), x(max)) + 8)}" y="${middle + 4}">${escapeXml(text)}</text></g>`
    )
  })
  return figure(title, width, bars.length * rowHeight + 6, rows.join(''))
}

const plot = { width: 640, height: 300, left: 76, right: 20, top: 14, bottom: 34 }

/** Lines with a legend under them. Points that an axis can't show (a zero on a logarithmic one) are left out. */
export function lineChart(title: string, lines: readonly Line[], xAxis: Axis, yAxis: Axis): string {
  const { width, height, left, right, top, bottom } = plot
  const x = (value: number): number => round(left + xAxis.at(value) * (width - left - right))
  const y = (value: number): number => round(height - bottom - yAxis.at(value) * (height - top - bottom))
  const grid = [
    ...yAxis.ticks.map(
      tick =>
        `<path class="grid" d="M${left} ${y(tick)}H${width - right}"/>` +
        `<text x="${left - 8}" y="${y(tick) + 4}" text-anchor="end">${escapeXml(yAxis.format(tick))}</text>`,
    ),
    ...xAxis.ticks.map(
      tick =>
        `<path class="grid" d="M${x(tick)} ${top}V${height - bottom}"/>` +
        `<text x="${x(tick)}" y="${height - bottom + 18}" text-anchor="middle">${escapeXml(xAxis.format(tick))}</text>`,
    ),
  ]
  const drawn = lines.map(({ label, series, points }) => {
    const shown = points.filter(
      point => Number.isFinite(xAxis.at(point.x)) && Number.isFinite(yAxis.at(point.y)),
    )
    const path = shown.map((point, index) => `${index === 0 ? 'M' : 'L'}${x(point.x)} ${y(point.y)}`).join('')
    const dots =
      shown.length > 12
        ? ''
        : shown
            .map(
              point =>
                `<circle cx="${x(point.x)}" cy="${y(point.y)}" r="3.5" fill="${colour(series)}"><title>` +
                `${escapeXml(`${label}, ${xAxis.format(point.x)}: ${yAxis.format(point.y)}`)}</title></circle>`,
            )
            .join('')
    return `<path class="line" d="${path}" stroke="${colour(series)}"><title>${escapeXml(label)}</title></path>${dots}`
  })
  const legend = lines.map(
    ({ label, series }) => `<span><i style="background:${colour(series)}"></i>${escapeXml(label)}</span>`,
  )
  return figure(
    title,
    width,
    height,
    grid.join('') + drawn.join(''),
    `<p class="legend">${legend.join('')}</p>`,
  )
}

/** A logarithmic axis over the values, with a tick for each power of ten; for a single power also 2 and 5 times it. */
export function logarithmicAxis(values: readonly number[], format: (value: number) => string): Axis {
  const positive = values.filter(value => value > 0)
  const low = Math.min(...positive, Number.MAX_VALUE)
  const high = Math.max(...positive, low)
  const first = Math.floor(Math.log10(low))
  const last = Math.max(first + 1, Math.ceil(Math.log10(high)))
  const powers = Array.from({ length: last - first + 1 }, (_, index) => 10 ** (first + index))
  const ticks = last - first > 2 ? powers : powers.flatMap(power => [power, 2 * power, 5 * power])
  return {
    ticks: ticks.filter(tick => tick <= 10 ** last * 1.0001),
    at: value => (Math.log10(value) - first) / (last - first),
    format,
  }
}

/** From zero, with about four round ticks: round in the unit that 1024 bytes and their powers make, where `base` is 1024. */
export function linearAxis(
  values: readonly number[],
  format: (value: number) => string,
  base: 1000 | 1024 = 1000,
): Axis {
  const high = Math.max(...values, Number.MIN_VALUE)
  const unit = base === 1000 ? 1 : base ** Math.max(0, Math.floor(Math.log(high) / Math.log(base)))
  const rough = high / unit / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = ([1, 2, 5, 10].find(factor => factor * power >= rough) ?? 10) * power * unit
  const count = Math.ceil(high / step)
  return {
    ticks: Array.from({ length: count + 1 }, (_, index) => index * step),
    at: value => value / (count * step),
    format,
  }
}

/** Percentiles as people read them: each nine takes as much room as the last one. */
export function percentileAxis(most: number): Axis {
  const ticks = [0, 50, 90, 99, 99.9, 99.99, 99.999].filter(tick => tick <= most)
  const nines = (percentile: number): number => -Math.log10(1 - Math.min(percentile, most) / 100)
  return { ticks, at: value => nines(value) / nines(most), format: value => `p${value}` }
}

function figure(title: string, width: number, height: number, content: string, below = ''): string {
  return (
    `<figure><figcaption>${escapeXml(title)}</figcaption>` +
    `<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${escapeXml(title)}">${content}</svg>` +
    `${below}</figure>`
  )
}

/** How many colours the page has. */
export const seriesColours = 8

function colour(series: number): string {
  return `var(--series-${(series % seriesColours) + 1})`
}

function round(value: number): number {
  return Math.round(value * 10) / 10
}
