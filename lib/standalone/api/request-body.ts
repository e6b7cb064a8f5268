// A request's body as plain values, from JSON or YAML. It is bounded, and refused unless it says what it is: a web page
// can make a browser send anything to a port of this machine, but not with that content type, nor without an Origin.

import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { isMap, isScalar, isSeq, parseAllDocuments, type Document } from 'yaml'
import { reasonOf } from '../../model/error.ts'
import { formatPath, type Path } from '../../model/schema.ts'
import { badRequest, forbidden, StatusError, tooLarge, unsupportedMediaType } from '../kinds/status.ts'
import { factsOfJson, maxDepth } from './json-text.ts'
import { objectOfProtobuf, protobufType } from './protobuf-objects.ts'

/** The real API server's limit for a request. */
const maxBodyBytes = 3 * 1024 * 1024
/** Up to here a body that is too large is read and thrown away, as few clients read an answer before they have sent all. */
const maxDiscardedBytes = 8 * maxBodyBytes

/** More than an EndpointSlice of 1000 endpoints has, and up to a second of the parser's time. */
const maxYamlMarks = 50_000

export const objectTypes = ['application/json', 'application/yaml'] as const

export interface Body {
  /** "" where the request has none. */
  readonly text: string
  /** "application/json", without parameters. */
  readonly contentType: string
}

export interface ParsedBody {
  readonly value: unknown
  /** The members that come more than once; the last one counts. */
  readonly duplicates: readonly string[]
}

/** Reads the body. Throws 413, and 415 when its type is none of these; no type at all means the first one. */
export async function readBody(request: IncomingMessage, contentTypes: readonly string[]): Promise<Body> {
  const header = request.headers['content-type'] ?? ''
  const given = header.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const contentType = given === '' ? (contentTypes[0] ?? '') : given
  const bytes = await readBytes(request)
  if (bytes.length > 0 && contentType === protobufType && contentTypes === objectTypes) {
    const object = objectOfProtobuf(bytes)
    if (object) return { text: JSON.stringify(object), contentType: 'application/json' }
  }
  const text = bytes.toString('utf8')
  if (text !== '' && !contentTypes.includes(contentType)) throw unsupportedMediaType(contentTypes)
  return { text, contentType }
}

/** Parses a body; an empty one is an error. Throws a 400 that begins with `what`. */
export function parseBody({ text, contentType }: Body, what: string): ParsedBody {
  // kubectl sends JSON under the name of YAML, which it is, and JSON is read much faster.
  const isYaml = contentType.endsWith('yaml') && !(text.startsWith('{') && isJson(text))
  return isYaml ? parseYaml(text, what) : parseJson(text, what)
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

function parseJson(text: string, what: string): ParsedBody {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    const shown = text === '' ? '<empty>' : text.length > 30 ? `${text.slice(0, 30)} ...` : text
    throw badRequest(`${what}: json parse error: ${reasonOf(error)} (${shown})`)
  }
  const { duplicates, tooDeep } = factsOfJson(text)
  if (tooDeep) throw badRequest(`${what}: json parse error: nested more than ${maxDepth} levels deep`)
  return { value, duplicates }
}

function parseYaml(text: string, what: string): ParsedBody {
  try {
    checkYamlMarks(text)
    const options = { uniqueKeys: false, merge: true, prettyErrors: false, logLevel: 'silent' } as const
    // With text that holds no document at all, the result is an empty list of another type.
    const [document] = parseAllDocuments(text, options) as readonly (Document.Parsed | undefined)[]
    const [error] = document?.errors ?? []
    if (error) throw error
    const expanded = (document?.toJS() ?? null) as unknown
    if (charsLeft(expanded, maxBodyBytes) < 0)
      throw new Error('its aliases make it larger than a request may be')
    // What YAML has and JSON has not (dates, sets) becomes what JSON makes of it.
    const json = JSON.stringify(expanded)
    if (factsOfJson(json).tooDeep) throw new Error(`nested more than ${maxDepth} levels deep`)
    const value = JSON.parse(json) as unknown
    const duplicates: string[] = []
    if (document) findDuplicates(document.contents, [], duplicates)
    return { value, duplicates }
  } catch (error) {
    if (error instanceof StatusError) throw error
    // Also more aliases than any honest document has, and a nesting that is too deep for the parser.
    throw badRequest(`${what}: yaml: ${reasonOf(error).replaceAll(/\s*\n\s*/g, ' ')}`)
  }
}

/** Throws a 413 for YAML that would take the parser seconds, in which nobody else is answered. */
function checkYamlMarks(text: string): void {
  let marks = 0
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x0a: // a line
      case 0x2c: // ,
      case 0x2d: // -
      case 0x3a: // :
      case 0x5b: // [
      case 0x7b: // {
        marks++
        break
      default:
    }
  }
  if (marks <= maxYamlMarks) return
  const what = `it has ${marks} lines, commas, colons, dashes and brackets, and YAML may have ${maxYamlMarks}`
  throw tooLarge(`Request entity too large: ${what}: send it as JSON, or in parts`)
}

/** What of `left` remains after the characters of a value's JSON, about; below 0 as soon as nothing does. */
function charsLeft(value: unknown, left: number): number {
  if (typeof value === 'string') return left - value.length - 2
  if (typeof value !== 'object' || value === null) return left - 2
  let rest = left - 2
  for (const [key, inner] of Object.entries(value)) {
    rest = charsLeft(inner, Array.isArray(value) ? rest : rest - key.length)
    if (rest < 0) break
  }
  return rest
}

function findDuplicates(node: unknown, path: Path, duplicates: string[]): void {
  if (isSeq(node)) node.items.forEach((item, i) => findDuplicates(item, [...path, i], duplicates))
  if (!isMap(node)) return
  const names = new Set<string>()
  for (const { key, value } of node.items) {
    const name = isScalar(key) ? String(key.value) : String(key)
    if (names.has(name)) duplicates.push(formatPath([...path, name]))
    names.add(name)
    findDuplicates(value, [...path, name], duplicates)
  }
}

async function readBytes(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  // Not ending the loop by an error within it: that would destroy the connection, and the answer with it.
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size <= maxBodyBytes) chunks.push(chunk)
    else if (size > maxDiscardedBytes) break
  }
  if (size > maxBodyBytes) throw tooLarge(`Request entity too large: limit is ${maxBodyBytes}`)
  return Buffer.concat(chunks)
}

/**
 * Refuses what only a browser would send: an Origin, or a Host that is some site's name resolving to this machine
 * (DNS rebinding). The server has no authentication, so this is what keeps web pages out. Throws 403.
 */
export function refuseBrowsers(request: IncomingMessage): void {
  if (request.headers.origin !== undefined) throw forbidden('requests from web pages are not allowed')
  const host = (request.headers.host ?? '').replace(/:\d*$/, '').replace(/^\[(.*)\]$/, '$1')
  if (host !== 'localhost' && host !== '' && isIP(host) === 0) {
    throw forbidden(`host "${host}" is not allowed: reach this server by IP address or as localhost`)
  }
}
