// Tables for people: cells in columns that are as wide as their widest cell.

/** One line a row; rows may have fewer cells than the widest of them. */
export function alignRows(rows: readonly (readonly string[])[]): readonly string[] {
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

/** Without what a terminal would act on: tenants write annotations, and anybody what answers instead of an agent. */
export function printable(text: string): string {
  return text.replace(/[^\P{Cc}\n]/gu, '\u{fffd}')
}
