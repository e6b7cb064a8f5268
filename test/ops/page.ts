// Reads a page of metrics as Prometheus does, as far as the tests need it: what is malformed throws.

export interface Family {
  readonly type: string
  readonly help: string
  /** By what stands before the value: name and labels. */
  readonly samples: Map<string, number>
}

const sample = /^([a-zA-Z_:][\w:]*)(\{(?:[a-zA-Z_]\w*="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/

/** The metric families of a page, by name. */
export function readPage(text: string): ReadonlyMap<string, Family> {
  const families = new Map<string, Family>()
  let help = new Map<string, string>()
  for (const line of text.split('\n')) {
    const [, keyword, name = '', rest = ''] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? []
    if (keyword === 'HELP') help = new Map([[name, rest]])
    else if (keyword === 'TYPE') {
      if (families.has(name)) throw new Error(`${name} comes twice`)
      families.set(name, { type: rest, help: help.get(name) ?? '', samples: new Map() })
    } else if (line !== '') addSample(families, line)
  }
  return families
}

/** All samples of a page, by name and labels. */
export function readSamples(text: string): ReadonlyMap<string, number> {
  return new Map([...readPage(text).values()].flatMap(({ samples }) => [...samples]))
}

function addSample(families: ReadonlyMap<string, Family>, line: string): void {
  const [, name = '', labels = '', value = ''] = sample.exec(line) ?? []
  const base = name.replace(/_(bucket|sum|count)$/, '')
  const family = families.get(name) ?? families.get(base)
  if (name === '' || family === undefined) throw new Error(`not a sample of a known metric: ${line}`)
  const key = `${name}${labels}`
  if (family.samples.has(key)) throw new Error(`${key} comes twice`)
  family.samples.set(key, value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value))
}
