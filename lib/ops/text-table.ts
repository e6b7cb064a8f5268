// Tables for people: cells in columns that are as wide as their widest cell.

/** One line a row, whatever is in its cells; rows may have fewer cells than the widest of them. */
export function alignRows(cells: readonly (readonly string[])[]): readonly string[] {
  const rows = cells.map(row => row.map(oneLine))
  const count = Math.max(0, ...rows.map(row => row.length))
  const widths = Array.from({ length: count }, (_, column) =>
    rows.reduce((widest, row) => Math.max(widest, row[column]?.length ?? 0), 0),
  )
  return rows.map(row =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** "812 B", "1.2 KiB", "34 MiB": three digits at most. */
export function formatBytes(bytes: number): string {
  let value = bytes
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${value < 9.95 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`
}

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** So that a tenant's line break doesn't begin a line that passes for ours. */
export function oneLine(text: string): string {
  return text.replaceAll('\n', '\u{fffd}')
}

/** Control characters, those that turn the direction of text or aren't seen, and other line breaks. */
const unprintable = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu

/** Without what a terminal would act on: tenants write annotations, and anybody what answers instead of an agent. */
export function printable(text: string): string {
  return text.replace(unprintable, '\u{fffd}')
}

/** As JSON, with all of that escaped: whoever parses it has what it was. */
export function printableJson(value: unknown, indent?: number): string {
  const escape = (found: string): string =>
    Array.from(
      { length: found.length },
      (_, index) => `\\u${found.charCodeAt(index).toString(16).padStart(4, '0')}`,
    ).join('')
  return JSON.stringify(value, null, indent).replace(unprintable, escape)
}
