// How a table is written to disk: JSON lines. A header, the service ports one by one, and a last line with their number
// and the SHA-256 of all before it, so that neither writing nor reading needs the whole text at once.

import { createHash } from 'node:crypto'
import { readCidr } from '../model/cidr.ts'
import { asFields, asList, describe, type Fields } from '../model/fields.ts'
import type { ServicePort, TableSnapshot } from '../model/proxy-table.ts'
import { healthCheckedProblem, servicePortProblem } from '../model/saved-service-port.ts'

const format = 'kube-relay table'

/** To be raised with each change of what a service port means; a file of another version is of no use. */
const version = 1

/** A few hundred kilobytes: what is stringified in one go holds up whatever else the process does. */
const portsPerChunk = 200

const newline = 10

/** The text in chunks, each of whole lines. */
export function* encodeTable(snapshot: TableSnapshot, node: string): Generator<string, void> {
  const { generation, asOf, localSources, healthChecked, servicePorts } = snapshot
  const hash = createHash('sha256')
  const header = { format, version, node, generation, asOf, localSources, healthChecked }
  const first = `${JSON.stringify(header)}\n`
  hash.update(first)
  yield first
  for (let start = 0; start < servicePorts.length; start += portsPerChunk) {
    const ports = servicePorts.slice(start, start + portsPerChunk)
    const chunk = ports.map(port => `${JSON.stringify(port)}\n`).join('')
    hash.update(chunk)
    yield chunk
  }
  yield `${JSON.stringify({ servicePorts: servicePorts.length, sha256: hash.digest('hex') })}\n`
}

/** The table in a file's content, or in a few words why there is none in it. */
export function decodeTable(content: Buffer, node: string): TableSnapshot | { readonly problem: string } {
  const lines = [...linesOf(content)]
  const header = parseFields(lines[0])
  // First what it is: all else would be told of a file that is something else.
  if (header?.['format'] !== format) return { problem: 'it is not a table of kube-relay' }
  if (header['version'] !== version) {
    return { problem: `it is of version ${describe(header['version'])}, and this program reads ${version}` }
  }
  const last = lines.at(-1)
  const trailer = lines.length < 2 ? null : parseFields(last)
  if (last === undefined || trailer?.['sha256'] === undefined) return { problem: 'it ends too early' }
  const sum = createHash('sha256').update(content.subarray(0, last.byteOffset - content.byteOffset))
  if (sum.digest('hex') !== trailer['sha256']) return { problem: 'its checksum is wrong: it is damaged' }
  if (header['node'] !== node) {
    return { problem: `it was made for node ${describe(header['node'])}, not ${JSON.stringify(node)}` }
  }
  const servicePorts = lines.slice(1, -1).map(parseFields)
  if (servicePorts.length !== trailer['servicePorts']) {
    return {
      problem: `it has ${servicePorts.length} service ports and says ${describe(trailer['servicePorts'])}`,
    }
  }
  const problem = headerProblem(header) ?? portsProblem(servicePorts)
  if (problem !== null) return { problem: `${problem}: another version wrote it` }
  // Just looked at, property by property.
  const { generation, asOf, localSources, healthChecked } = header as unknown as Omit<
    TableSnapshot,
    'servicePorts'
  >
  return {
    type: 'snapshot',
    generation,
    asOf,
    localSources,
    healthChecked,
    servicePorts: servicePorts as unknown as readonly ServicePort[],
  }
}

function* linesOf(content: Buffer): Generator<Buffer, void> {
  let start = 0
  for (let end = content.indexOf(newline); end !== -1; end = content.indexOf(newline, start)) {
    yield content.subarray(start, end)
    start = end + 1
  }
  // A line without its end is one that was cut off.
  if (start < content.length) yield content.subarray(start)
}

function parseFields(line: Buffer | undefined): Fields | null {
  try {
    return line === undefined ? null : asFields(JSON.parse(line.toString()))
  } catch {
    return null
  }
}

/** Dates end there (ECMA-262, 21.4.1.1). */
const latestTime = 8.64e15

function headerProblem({ generation, asOf, localSources, healthChecked }: Fields): string | null {
  if (typeof generation !== 'number' || !Number.isSafeInteger(generation) || generation < 1) {
    return `generation is ${describe(generation)}`
  }
  if (typeof asOf !== 'number' || !(asOf >= 0 && asOf <= latestTime)) return `asOf is ${describe(asOf)}`
  if (!Array.isArray(localSources) || localSources.some(each => readCidr(each) === null)) {
    return 'localSources has something that is not a CIDR'
  }
  if (!Array.isArray(healthChecked)) return `healthChecked is ${describe(healthChecked)}`
  const problem = asList(healthChecked)
    .map(healthCheckedProblem)
    .find(each => each !== null)
  return problem === undefined ? null : `healthChecked: ${problem}`
}

function portsProblem(values: readonly unknown[]): string | null {
  const keys = new Set<string>()
  for (const [index, value] of values.entries()) {
    const problem = servicePortProblem(value)
    if (problem !== null) return `line ${index + 2}: ${problem}`
    const { key } = value as ServicePort
    if (keys.has(key)) return `line ${index + 2}: ${key} is there twice`
    keys.add(key)
  }
  return null
}
