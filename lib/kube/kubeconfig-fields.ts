// Checked reading of a kubeconfig's YAML: every field has a type and a place, and what doesn't fit is one line that
// names both. Unknown fields are left alone, as kubectl does.

import { RelayError } from '../model/error.ts'

export type Fields = Readonly<Record<string, unknown>>

/** Reads the fields of one mapping; `where` is its place in the file, for messages. */
export class FieldReader {
  readonly where: string
  readonly #fields: Fields

  constructor(value: unknown, where: string) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new RelayError('INVALID_CONFIG', `${where} must be a mapping of fields, not ${kindOf(value)}`)
    }
    this.where = where
    this.#fields = value as Fields
  }

  has(name: string): boolean {
    return this.#fields[name] !== undefined && this.#fields[name] !== null
  }

  raw(name: string): unknown {
    return this.#fields[name]
  }

  /** Null if it's missing or empty: to kubectl that's the same. */
  string(name: string): string | null {
    const value = this.#fields[name] ?? ''
    if (typeof value === 'string') return value === '' ? null : value
    // A token of digits only, unquoted, is a number to YAML.
    const hint = typeof value === 'number' ? ': put it in quotes' : ''
    throw new RelayError(
      'INVALID_CONFIG',
      `${this.where}: ${name} must be a string, not ${kindOf(value)}${hint}`,
    )
  }

  required(name: string): string {
    const value = this.string(name)
    if (value === null) throw new RelayError('INVALID_CONFIG', `${this.where}: ${name} is missing`)
    return value
  }

  boolean(name: string): boolean {
    const value = this.#fields[name] ?? false
    if (typeof value === 'boolean') return value
    throw new RelayError(
      'INVALID_CONFIG',
      `${this.where}: ${name} must be true or false, not ${kindOf(value)}`,
    )
  }

  strings(name: string): string[] {
    return this.#list(name).map((value, index) => {
      if (typeof value === 'string') return value
      const place = `${this.where}: ${name}[${index}]`
      throw new RelayError(
        'INVALID_CONFIG',
        `${place} must be a string, not ${kindOf(value)}: put it in quotes`,
      )
    })
  }

  list(name: string): FieldReader[] {
    return this.#list(name).map((value, index) => new FieldReader(value, `${this.where}: ${name}[${index}]`))
  }

  mapping(name: string, where = `${this.where}: ${name}`): FieldReader {
    return new FieldReader(this.#fields[name] ?? {}, where)
  }

  keys(): string[] {
    return Object.keys(this.#fields)
  }

  #list(name: string): unknown[] {
    const value = this.#fields[name] ?? []
    if (Array.isArray(value)) return value
    throw new RelayError('INVALID_CONFIG', `${this.where}: ${name} must be a list, not ${kindOf(value)}`)
  }
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'empty'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'a mapping' : `the ${typeof value} ${JSON.stringify(value)}`
}
