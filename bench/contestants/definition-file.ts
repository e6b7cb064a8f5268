// Any program as a contestant, by a small YAML file. Whatever is wrong with it, the error names file, line and field.
//
//     name: rinetd
//     describe: a TCP redirector
//     command: [rinetd, --foreground, --conf-file, "{config}"]
//     config: "{listen_ip} {listen_port} {server_ip} {server_port}\n"
//     version: [rinetd, --version]
//     install: apt install rinetd
//
// `udpCommand` is for datagrams; a program with only one of the two takes part in those scenarios alone. `excused` names
// further scenarios with a reason. The program is started once for each route and has to stay in the foreground.

import { readFileSync } from 'node:fs'
import { RelayError, reasonOf } from '../../lib/model/error.ts'
import { asFields, asList, asString, type Fields } from '../../lib/model/fields.ts'
import { conform, type Schema } from '../../lib/model/schema.ts'
import { readYaml, type YamlDocument } from '../../lib/config/yaml-documents.ts'
import type { Contestant } from '../contestant.ts'
import { placeholders, programContestant } from './program.ts'

const words: Schema = { type: 'list', items: { type: 'string' } }

const schema: Schema = {
  type: 'object',
  fields: {
    name: {
      type: 'string',
      check: name => (/^[a-z0-9][a-z0-9._-]*$/.test(name) ? null : 'small letters, digits, ".", "_" and "-"'),
    },
    describe: { type: 'string' },
    command: words,
    udpCommand: words,
    config: { type: 'string' },
    version: words,
    install: { type: 'string' },
    excused: { type: 'map', values: { type: 'string' } },
  },
}

const needed = placeholders.filter(name => name !== 'threads' && name !== 'config')

/** @throws INVALID_CONFIG, one line for each problem. */
export function contestantFromFile(file: string): Contestant {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new RelayError('INVALID_CONFIG', `${file} can't be read: ${reasonOf(error)}`, { cause: error })
  }
  return contestantFrom(file, text)
}

/** `file` is only for messages. @throws INVALID_CONFIG, one line for each problem. */
export function contestantFrom(file: string, text: string): Contestant {
  const { documents, problems } = readYaml(text)
  if (problems.length > 0) throw invalid(problems.map(({ line, message }) => `${file}:${line}: ${message}`))
  const [document, second] = documents
  if (document === undefined) throw invalid([`${file}: is empty: name and command are expected`])
  if (second !== undefined)
    throw invalid([`${file}:${second.locate([]).line}: a second document: one is expected`])
  const { value, problems: wrong } = conform(schema, document.value)
  const at = (path: readonly (string | number)[], message: string): string =>
    `${file}:${document.locate(path).line}: ${message}`
  if (wrong.length > 0) throw invalid(wrong.map(({ path, message }) => at(path, message)))
  const fields = asFields(value)
  const more = problemsIn(fields, document).map(({ path, message }) => at(path, message))
  if (more.length > 0) throw invalid(more)
  return fromFields(fields)
}

function fromFields(fields: Fields): Contestant {
  const name = asString(fields['name'])
  const list = (field: string): readonly string[] => asList(fields[field]).map(word => asString(word))
  const [tcp, udp, version] = [list('command'), list('udpCommand'), list('version')]
  return programContestant({
    name,
    describe: asString(fields['describe'], `${name}, by a definition file`),
    commands: { ...(tcp.length > 0 ? { TCP: tcp } : {}), ...(udp.length > 0 ? { UDP: udp } : {}) },
    config: fields['config'] === undefined ? null : asString(fields['config']),
    version: version.length > 0 ? version : null,
    install: asString(fields['install'], `install ${tcp[0] ?? udp[0] ?? name}, or put it into the PATH`),
    excused: asFields(fields['excused']) as Readonly<Record<string, string>>,
  })
}

interface FieldProblem {
  readonly path: readonly string[]
  readonly message: string
}

function problemsIn(fields: Fields, document: YamlDocument): readonly FieldProblem[] {
  const found: FieldProblem[] = []
  if (typeof document.value !== 'object' || Array.isArray(document.value)) {
    return [{ path: [], message: 'expected fields such as name and command' }]
  }
  if (fields['name'] === undefined) found.push({ path: [], message: 'name: is missing' })
  if (fields['command'] === undefined && fields['udpCommand'] === undefined) {
    found.push({ path: [], message: 'command: is missing (udpCommand for a program that proxies UDP only)' })
  }
  for (const field of ['command', 'udpCommand'] as const) {
    if (fields[field] === undefined) continue
    const command = asList(fields[field]).map(word => asString(word))
    if ((command[0] ?? '') === '') found.push({ path: [field], message: `${field}: names no program` })
    const text = [...command, asString(fields['config'])].join(' ')
    for (const name of needed) {
      if (!text.includes(`{${name}}`)) {
        found.push({ path: [field], message: `${field}: {${name}} is neither in it nor in config` })
      }
    }
    const usesConfig = command.some(word => word.includes('{config}'))
    if (usesConfig && fields['config'] === undefined) {
      found.push({ path: [field], message: `${field}: has {config}, but there is no field config` })
    }
  }
  return found
}

function invalid(lines: readonly string[]): RelayError {
  return new RelayError('INVALID_CONFIG', lines.join('\n'))
}
