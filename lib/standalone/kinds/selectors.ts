// Label and field selectors, as they come in a request's query. A selector that doesn't parse is a 400, never one
// that matches everything. Grammar and matching: apimachinery pkg/labels (selector.go) and pkg/fields.

import { asFields } from '../../model/fields.ts'
import type { KubeObject } from '../../model/objects.ts'
import { labelValue, qualifiedName, type Format } from './name-formats.ts'
import type { ResourceType } from './resources.ts'
import { badRequest } from './status.ts'

export type Matcher = (object: KubeObject) => boolean

type Labels = Readonly<Record<string, string>>

const everything: Matcher = () => true
/** Whether every pair of `selector` is in `labels`: a Service's selector, without set-based operators. */
export function matchesLabels(selector: Labels, labels: Labels | undefined): boolean {
  return Object.entries(selector).every(([key, value]) => labels?.[key] === value)
}

/** Parses `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1,m<2`. Throws a 400. */
export function parseLabelSelector(text: string): Matcher {
  const requirements = splitRequirements(text).map(part => parseLabelRequirement(part, text))
  if (requirements.length === 0) return everything
  return object => {
    const labels = object.metadata.labels ?? {}
    return requirements.every(requirement => requirement(labels))
  }
}

/** Parses `metadata.name=x,spec.clusterIP!=None` for the fields that the resource supports. Throws a 400. */
export function parseFieldSelector(text: string, type: ResourceType): Matcher {
  if (text.trim() === '') return everything
  const supported = new Set(['metadata.name', 'metadata.namespace', ...type.selectableFields])
  const requirements = text.split(',').map(part => {
    const [, field, operator, value] = /^([^=!\s]+)\s*(==|!=|=)\s*(.*)$/s.exec(part.trim()) ?? []
    if (field === undefined || value === undefined) {
      throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`)
    }
    if (!supported.has(field)) throw badRequest(`field label not supported: ${field}`)
    return (object: KubeObject) => (selectableValue(object, field) === value) === (operator !== '!=')
  })
  return object => requirements.every(requirement => requirement(object))
}

/** What a field selector compares: always a string, "" for what is missing and "false" for a missing boolean. */
function selectableValue(object: KubeObject, field: string): string {
  const value = fieldAt(object, field)
  switch (field) {
    case 'spec.unschedulable':
    case 'spec.hostNetwork':
      return value === '' ? 'false' : value
    case 'source':
      return fieldAt(object, 'source.component') || fieldAt(object, 'reportingComponent')
    default:
      return value
  }
}

function fieldAt(object: KubeObject, path: string): string {
  let value: unknown = object
  for (const step of path.split('.')) value = asFields(value)[step]
  if (value === undefined || value === null) return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function isRight(format: Format, text: string): boolean {
  return format(text).length === 0
}

/** Splits at the commas outside parentheses. */
function splitRequirements(text: string): readonly string[] {
  if (text.trim() === '') return []
  // In one pass: a look ahead from every comma is slow for a text that is made of them.
  const parts: string[] = []
  for (let start = 0, at = 0, inside = false; at <= text.length; at++) {
    const letter = text[at]
    if (letter === '(') inside = true
    else if (letter === ')') inside = false
    else if (letter === undefined || (letter === ',' && !inside)) {
      parts.push(text.slice(start, at).trim())
      start = at + 1
    }
  }
  if (parts.includes(''))
    throw badRequest(`unable to parse requirement: found ',' without a requirement in '${text}'`)
  return parts
}

function parseLabelRequirement(part: string, whole: string): (labels: Labels) => boolean {
  const fail = (why: string) => badRequest(`unable to parse requirement: ${why} in '${whole}'`)
  const checkedKey = (key: string | undefined): string => {
    if (key === undefined || !isRight(qualifiedName, key)) throw fail(`'${key ?? part}' is no label key`)
    return key
  }
  const checkedValue = (value: string): string => {
    if (!isRight(labelValue, value)) throw fail(`'${value}' is no label value`)
    return value
  }

  const existence = /^(!?)\s*([^\s=!<>(),]+)$/.exec(part)
  if (existence) {
    const key = checkedKey(existence[2])
    const wanted = existence[1] === ''
    return labels => Object.hasOwn(labels, key) === wanted
  }
  const membership = /^([^\s=!<>(),]+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(part)
  if (membership) {
    const key = checkedKey(membership[1])
    const values = new Set((membership[3] ?? '').split(',').map(value => checkedValue(value.trim())))
    const wanted = membership[2] === 'in'
    // An object without the label isn't in any set, so `notin` takes it.
    return labels => (Object.hasOwn(labels, key) && values.has(labels[key] ?? '')) === wanted
  }
  const comparison = /^([^\s=!<>(),]+)\s*(==|!=|=|>|<)\s*([^\s=!<>(),]*)$/.exec(part)
  if (!comparison) throw fail(`can't understand '${part}'`)
  const key = checkedKey(comparison[1])
  const value = checkedValue(comparison[3] ?? '')
  switch (comparison[2]) {
    case '!=':
      return labels => !Object.hasOwn(labels, key) || labels[key] !== value
    case '>':
    case '<': {
      if (!/^-?\d+$/.test(value)) throw fail(`'${value}' is no integer, and '${comparison[2]}' needs one`)
      const bound = BigInt(value)
      const greater = comparison[2] === '>'
      return labels => {
        const actual = labels[key]
        if (actual === undefined || !/^-?\d+$/.test(actual)) return false
        return greater ? BigInt(actual) > bound : BigInt(actual) < bound
      }
    }
    default:
      return labels => Object.hasOwn(labels, key) && labels[key] === value
  }
}
