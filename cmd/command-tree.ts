// The commands and their options as plain data, for what is made of them beside --help: shell completion, the man page.
// What --help leaves out is left out here.

import type { Argument, Command, Option } from 'commander'

export interface CommandNode {
  readonly name: string
  readonly description: string
  readonly arguments: readonly ArgumentNode[]
  readonly options: readonly OptionNode[]
  readonly commands: readonly CommandNode[]
  /** What --help says at its end: examples, explanations. */
  readonly after: string
}

export interface ArgumentNode {
  /** As in a usage line: "<scenario...>". */
  readonly term: string
  readonly description: string
  readonly choices: readonly string[]
}

export interface OptionNode {
  /** As --help has it: "-o, --output <format>". */
  readonly flags: string
  /** "-o", "--output" */
  readonly names: readonly string[]
  readonly description: string
  /** What stands for its value, "file"; null: it takes none. */
  readonly value: string | null
  /** Whether it may stand without its value. */
  readonly optional: boolean
  readonly choices: readonly string[]
  /** As --help has it; null: none worth saying. */
  readonly default: string | null
  /** The heading in --help that it is under. */
  readonly group: string
}

/** A command with all below it. */
export function commandTree(command: Command): CommandNode {
  const help = command.createHelp()
  return {
    name: command.name(),
    description: command.description(),
    arguments: command.registeredArguments.map(argumentNode),
    options: help.visibleOptions(command).map(optionNode),
    commands: help
      .visibleCommands(command)
      .filter(each => each.name() !== 'help')
      .map(commandTree),
    after: textAfterHelp(command),
  }
}

function argumentNode(argument: Argument): ArgumentNode {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return {
    term: argument.required ? `<${name}>` : `[${name}]`,
    description: argument.description,
    choices: argument.argChoices ?? [],
  }
}

function optionNode(option: Option): OptionNode {
  const takesValue = option.required || option.optional
  const { defaultValue, defaultValueDescription } = option as {
    readonly defaultValue?: unknown
    readonly defaultValueDescription?: string
  }
  const usual = takesValue && defaultValue !== undefined
  return {
    flags: option.flags,
    names: [option.short, option.long].filter(name => name !== undefined),
    description: option.description,
    value: takesValue ? (/[<[]([^>\]]+)[>\]]$/.exec(option.flags)?.[1] ?? 'value') : null,
    optional: option.optional,
    choices: option.argChoices ?? [],
    default: usual ? (defaultValueDescription ?? JSON.stringify(defaultValue)) : null,
    group: (option.helpGroupHeading ?? 'Options:').replace(/:$/, ''),
  }
}

/** commander keeps it as handlers, so it is to be had by writing it. */
function textAfterHelp(command: Command): string {
  let text = ''
  const before = command.configureOutput()
  command.configureOutput({ writeOut: part => (text += part) })
  command.outputHelp()
  command.configureOutput(before)
  return text.slice(command.helpInformation().length).trim()
}
