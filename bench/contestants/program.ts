// A contestant that is described by data: a program that is started once for each route, with placeholders in its
// command line and configuration. socat is one; a user's definition file makes others.

import type { ConfigFile, Contestant, Route, Setup } from '../contestant.ts'
import { agentOnly } from './agent-only.ts'
import { commandLine, folderPlaceholder, onDisk } from './command-line.ts'
import { findProgram, outputOf } from './find-program.ts'
import { launch } from './launch.ts'

export interface ProgramDefinition {
  readonly name: string
  readonly describe: string
  /** The program, found in the PATH, and its arguments, for the protocols that it can proxy. */
  readonly commands: Readonly<Partial<Record<Route['protocol'], readonly string[]>>>
  /** The text of a file; `{config}` in the command is its path. Null: none. */
  readonly config: string | null
  /** What prints its version; the first number with a dot in what it prints is that. Null: unknown. */
  readonly version: readonly string[] | null
  /** How to get it. */
  readonly install: string
  readonly excused: Readonly<Record<string, string>>
}

export const placeholders = [
  'listen_ip',
  'listen_port',
  'server_ip',
  'server_port',
  'threads',
  'config',
] as const

export function programContestant(definition: ProgramDefinition): Contestant {
  const { name, describe, commands, version, install } = definition
  const tcp = commands.TCP !== undefined
  const udp = commands.UDP !== undefined
  const none = (protocol: string): string => `its definition has no command for ${protocol}`
  return {
    name,
    describe,
    excused: {
      ...(tcp ? {} : Object.fromEntries(tcpScenarios.map(scenario => [scenario, none('TCP')]))),
      ...(udp ? {} : { 'udp-rr': none('UDP') }),
      ...agentOnly,
      ...definition.excused,
    },
    async find() {
      const names = Object.values(commands).map(([program = '']) => program)
      if (names.some(program => findProgram(program) === null)) return { missing: install }
      if (version === null) return { version: 'unknown' }
      const [program = '', ...args] = version
      const said = await outputOf([findProgram(program) ?? program, ...args])
      return { version: /\d+(?:\.[\w-]+)+/.exec(said ?? '')?.[0] ?? 'unknown' }
    },
    config: setup => configOf(definition, setup, folderPlaceholder),
    start: setup =>
      launch({
        name,
        setup,
        files: onDisk(configOf(definition, setup, folderPlaceholder)),
        commands: folder => commandsOf(definition, setup, folder),
      }),
  }
}

const tcpScenarios = ['tcp-rr', 'tcp-crr', 'tcp-stream', 'idle']

function configOf(definition: ProgramDefinition, setup: Setup, folder: string): readonly ConfigFile[] {
  const { config } = definition
  const files = setup.routes.map((route, index) => ({
    name: fileName(index),
    text: config === null ? '' : filled(config, route, setup, `${folder}/${fileName(index)}`),
  }))
  return [...(config === null ? [] : files), commandLine(...commandsOf(definition, setup, folder))]
}

function commandsOf(
  { commands }: ProgramDefinition,
  setup: Setup,
  folder: string,
): readonly (readonly string[])[] {
  return setup.routes.flatMap((route, index) => {
    const command = commands[route.protocol]
    if (command === undefined) return []
    const [program = '', ...args] = command.map(word =>
      filled(word, route, setup, `${folder}/${fileName(index)}`),
    )
    return [[findProgram(program) ?? program, ...args]]
  })
}

function fileName(index: number): string {
  return `route-${index}.conf`
}

function filled(text: string, { listen, server }: Route, { threads }: Setup, config: string): string {
  const values: Readonly<Record<(typeof placeholders)[number], string>> = {
    listen_ip: listen.ip,
    listen_port: String(listen.port),
    server_ip: server.ip,
    server_port: String(server.port),
    threads: String(threads),
    config,
  }
  // What isn't one of them is the program's own affair: many configurations have braces.
  return text.replace(/\{([a-z_]+)\}/g, (whole, key: string) =>
    key in values ? values[key as keyof typeof values] : whole,
  )
}
