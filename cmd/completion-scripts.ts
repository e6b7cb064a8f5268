// The completion scripts of bash, zsh and fish. They hold all that they complete: the program isn't started at a Tab.

import type { CommandNode, OptionNode } from './command-tree.ts'

type Script = (program: CommandNode) => string

export const completionScripts: Readonly<Record<'bash' | 'zsh' | 'fish', Script>> = { bash, zsh, fish }

/** What follows an option: one of some words, a file, or what no shell can know. */
type ValueKind = 'none' | 'choices' | 'file' | 'folder' | 'other'

function valueKind({ value, choices }: OptionNode): ValueKind {
  if (value === null) return 'none'
  if (choices.length > 0) return 'choices'
  if (/^(file|path)$/.test(value)) return 'file'
  return /^(dir|folder)$/.test(value) ? 'folder' : 'other'
}

/** In single quotes, for bash and zsh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}

function bash(program: CommandNode): string {
  const { name, commands } = program
  const all = commands.map(({ name }) => name)
  const cases = commands.map(command => {
    const names = command.options.flatMap(({ names }) => names)
    const words = command.arguments.flatMap(({ choices }) => choices)
    return `    ${command.name}) options=${quoted(names.join(' '))} words=${quoted(words.join(' '))} ;;`
  })
  const values = commands.flatMap(command =>
    command.options.flatMap(option => {
      const patterns = option.names.map(each => quoted(`${command.name} ${each}`)).join(' | ')
      const kind = valueKind(option)
      if (kind === 'none' || (option.optional && kind === 'other')) return []
      const action = {
        choices: `COMPREPLY=($(compgen -W ${quoted(option.choices.join(' '))} -- "$word"))`,
        file: 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word"))',
        folder: 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$word"))',
        other: ':',
      }[kind]
      return [`    ${patterns}) ${action}; return ;;`]
    }),
  )
  return `# bash completion for ${name}: \`source <(${name} completion bash)\`

_${identifier(name)}() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command= options= words= i
  # "--flag=value" is three words.
  if [ "$word" = = ]; then
    word=
  elif [ "$before" = = ] && [ "$COMP_CWORD" -gt 2 ]; then
    before=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
      -*) ;;
      *) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  COMPREPLY=()
  case "$command $before" in
${values.join('\n')}
  esac
  case $command in
    '') options=${quoted(program.options.flatMap(({ names }) => names).join(' '))} words=${quoted([...all, 'help'].join(' '))} ;;
    help) words=${quoted(all.join(' '))} ;;
${cases.join('\n')}
  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$options" -- "$word")) ;;
    *) COMPREPLY=($(compgen -W "$words" -- "$word")) ;;
  esac
}

complete -F _${identifier(name)} ${name}
`
}

function zsh(program: CommandNode): string {
  const { name, commands } = program
  const described = commands.map(each => `    ${quoted(`${each.name}:${each.description}`)}`)
  const cases = commands.map(command => {
    const specs = [...command.options.flatMap(zshOption), ...command.arguments.map(zshArgument)]
    return `        ${command.name}) _arguments -s ${specs.map(spec => `\\\n          ${quoted(spec)}`).join(' ')} ;;`
  })
  const own = program.options.flatMap(zshOption).map(quoted)
  return `#compdef ${name}
# zsh completion for ${name}: \`${name} completion zsh > "\${fpath[1]}/_${name}"\`

_${identifier(name)}() {
  local curcontext=$curcontext state line
  local -a commands
  commands=(
${described.join('\n')}
    'help:display help for a command'
  )
  _arguments -C ${own.join(' ')} '1: :->command' '*:: :->rest'
  case $state in
    command) _describe -t commands command commands ;;
    rest)
      case $line[1] in
        help) _describe -t commands command commands ;;
${cases.join('\n')}
      esac
      ;;
  esac
}

if [ "$funcstack[1]" = _${name} ]; then
  _${identifier(name)} "$@"
else
  compdef _${identifier(name)} ${name}
fi
`
}

/** In a spec of _arguments, ":" ends a part and "[" "]" are around a description. */
function zshText(text: string): string {
  return text.replace(/[[\]:\\]/g, String.raw`\$&`)
}

function zshOption(option: OptionNode): readonly string[] {
  const { names, description, value, optional, choices } = option
  const kind = valueKind(option)
  const action = {
    none: '',
    choices: `(${choices.join(' ')})`,
    file: '_files',
    folder: '_files',
    other: ' ',
  }[kind]
  const spec = value === null ? '' : `${optional ? '::' : ':'}${zshText(value)}:${action}`
  return names.map(name => {
    const takes = value === null ? '' : name.startsWith('--') ? '=' : '+'
    return `${name}${takes}[${zshText(description)}]${spec}`
  })
}

function zshArgument({ term, description, choices }: CommandNode['arguments'][number]): string {
  const many = term.includes('...') ? '*' : ''
  return `${many}:${zshText(description)}:(${choices.join(' ')})`
}

function fish(program: CommandNode): string {
  const { name, commands } = program
  const complete = (condition: string, rest: string): string => `complete -c ${name} -n ${condition} ${rest}`
  const first = '__fish_use_subcommand'
  const lines = [
    ...commands.map(each => complete(first, `-f -a ${each.name} -d ${fishQuoted(each.description)}`)),
    complete(first, `-f -a help -d 'display help for a command'`),
    ...program.options.map(option => complete(first, fishOption(option))),
    complete(`'__fish_seen_subcommand_from help'`, `-f -a '${commands.map(each => each.name).join(' ')}'`),
    ...commands.flatMap(command => {
      const inside = `'__fish_seen_subcommand_from ${command.name}'`
      const words = command.arguments.flatMap(({ choices }) => choices)
      return [
        complete(inside, words.length > 0 ? `-f -a '${words.join(' ')}'` : '-f'),
        ...command.options.map(option => complete(inside, fishOption(option))),
      ]
    }),
  ]
  return `# fish completion for ${name}: \`${name} completion fish > ~/.config/fish/completions/${name}.fish\`

${lines.join('\n')}
`
}

function fishOption(option: OptionNode): string {
  const names = option.names.map(each =>
    each.startsWith('--') ? `-l ${each.slice(2)}` : `-s ${each.slice(1)}`,
  )
  const kind = valueKind(option)
  const value = {
    none: '',
    choices: ` -x -a '${option.choices.join(' ')}'`,
    file: ' -r -F',
    folder: ` -x -a '(__fish_complete_directories)'`,
    other: option.optional ? '' : ' -x',
  }[kind]
  return `${names.join(' ')}${value} -d ${fishQuoted(option.description)}`
}

/** In single quotes, for fish. */
function fishQuoted(text: string): string {
  return `'${text.replace(/['\\]/g, String.raw`\$&`)}'`
}

function identifier(name: string): string {
  return name.replaceAll('-', '_')
}
