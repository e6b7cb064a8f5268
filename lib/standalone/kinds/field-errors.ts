// Collects what is wrong with an object's fields, in the words of the real API server (apimachinery
// pkg/util/validation/field), so that one answer names every field and not just the first.

import type { StatusCause } from './status.ts'

const maxValueLength = 1000

export class FieldErrors {
  readonly causes: StatusCause[] = []

  required(field: string, detail = ''): void {
    this.#add('FieldValueRequired', field, detail === '' ? 'Required value' : `Required value: ${detail}`)
  }

  invalid(field: string, value: unknown, detail: string): void {
    this.#add('FieldValueInvalid', field, `Invalid value: ${quoted(value)}: ${detail}`)
  }

  /** One error for each message: what the formats (name-formats.ts) return. */
  invalidBy(messages: readonly string[], field: string, value: unknown): void {
    for (const message of messages) this.invalid(field, value, message)
  }

  notFound(field: string, value: unknown): void {
    this.#add('FieldValueNotFound', field, `Not found: ${quoted(value)}`)
  }

  tooMany(field: string, count: number, limit: number): void {
    const items = limit === 1 ? 'item' : 'items'
    this.#add('FieldValueTooMany', field, `Too many: ${count}: must have at most ${limit} ${items}`)
  }

  tooLong(field: string, limitBytes: number): void {
    this.#add('FieldValueTooLong', field, `Too long: may not be more than ${limitBytes} bytes`)
  }

  duplicate(field: string, value: unknown): void {
    this.#add('FieldValueDuplicate', field, `Duplicate value: ${quoted(value)}`)
  }

  forbidden(field: string, detail: string): void {
    this.#add('FieldValueForbidden', field, `Forbidden: ${detail}`)
  }

  unsupported(field: string, value: unknown, supported: readonly string[]): void {
    const list = supported.map(text => JSON.stringify(text)).join(', ')
    this.#add(
      'FieldValueNotSupported',
      field,
      `Unsupported value: ${quoted(value)}: supported values: ${list}`,
    )
  }

  #add(reason: string, field: string, message: string): void {
    this.causes.push({ reason, message, field })
  }
}

/** As Go prints it: what is absent is null. A value as large as a client likes is cut. */
function quoted(value: unknown): string {
  const text = value === undefined ? 'null' : JSON.stringify(value)
  return text.length <= maxValueLength ? text : `${text.slice(0, maxValueLength)}…`
}
