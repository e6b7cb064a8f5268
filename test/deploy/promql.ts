// What a PromQL expression asks for: metrics with the labels and values that it matches, and the labels that it groups
// or joins by. Only as much of the language as deploy/monitoring uses; promtool judges the syntax.

export interface Selector {
  readonly metric: string
  readonly matchers: readonly Matcher[]
}

export interface Matcher {
  readonly label: string
  /** What the label may have, one by one; empty where a variable of the dashboard says it. */
  readonly values: readonly string[]
}

export interface Query {
  readonly selectors: readonly Selector[]
  /** Of `by`, `on` and the like. */
  readonly labels: readonly string[]
}

const keywords = new Set(
  'and or unless by on without ignoring group_left group_right offset bool inf nan'.split(' '),
)

const labelList = /\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^)]*)\)/g
const selector = /([a-zA-Z_:][\w:]*)\s*(\{[^}]*\}|\(|)/g
const matcher = /(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"/g

export function readQuery(expression: string): Query {
  const labels = [...expression.matchAll(labelList)].flatMap(([, list = '']) => list.match(/\w+/g) ?? [])
  const rest = expression
    .replaceAll(labelList, ' ')
    .replaceAll(/\[[^\]]*\]/g, ' ')
    .replaceAll(/\boffset\s+\w+/g, ' ')
    // Numbers with an exponent would pass for names.
    .replaceAll(/(?<![\w{"])\d[\d.]*(?:e\d+)?/g, ' ')
  const selectors = [...rest.matchAll(selector)]
    .filter(([, name = '', next = '']) => !keywords.has(name) && next !== '(')
    .map(([, metric = '', matchers = '']) => ({ metric, matchers: readMatchers(matchers) }))
  return { selectors, labels }
}

function readMatchers(text: string): readonly Matcher[] {
  return [...text.matchAll(matcher)].map(([, label = '', value = '']) => ({
    label,
    values: value.includes('$') ? [] : value.split('|'),
  }))
}
