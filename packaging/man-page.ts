// The man page kube-relay(8), made of the same descriptions as --help: one page with all commands and options.

import type { CommandNode, OptionNode } from '../cmd/command-tree.ts'

/** `date`: of the release, "2026-01-31". */
export function manPage(program: CommandNode, { version, date }: { version: string; date: string }): string {
  const { name, commands } = program
  return [
    `.TH ${name.toUpperCase()} 8 "${date}" "${name} ${version}" "System administration"`,
    '.SH NAME',
    `${text(name)} \\- userspace proxy for the Services of a Kubernetes cluster`,
    '.SH SYNOPSIS',
    ...commands
      .flatMap(command => [`.B ${text(`${name} ${command.name}`)}`, usageOf(command), '.br'])
      .slice(0, -1),
    '.SH DESCRIPTION',
    text(program.description),
    text(`Each command and its options are described below. ${name} COMMAND --help says the same.`),
    '.SH COMMANDS',
    ...commands.flatMap(command => [
      `.SS ${text(`${name} ${command.name}`)}`,
      text(sentence(command.description)),
      ...command.arguments
        .filter(({ description }) => description !== '')
        .flatMap(({ term, description, choices }) => [
          '.TP',
          `.I ${text(term)}`,
          text(sentence(withNotes(description, choices, null))),
        ]),
      ...optionsOf(command),
      ...(command.after === '' ? [] : ['.PP', ...verbatim(command.after)]),
    ]),
    '.SH OPTIONS',
    ...program.options.flatMap(optionParagraph),
    ...closing,
    '',
  ].join('\n')
}

/** With what belongs to the installed service, and so isn't said by --help. */
const closing: readonly string[] = [
  '.SH FILES',
  ...[
    ['/etc/kube-relay/kube-relay.env', 'the options that the service is started with'],
    ['/etc/kube-relay/manifests/', 'YAML manifests that the service serves unless its options say otherwise'],
    [
      '/var/lib/kube-relay/',
      'the state directory: the last table, and where workers wait for the next agent',
    ],
    ['/usr/share/kube-relay/', 'drop-ins for the service, for VIP modes that need fewer rights'],
  ].flatMap(([file = '', what = '']) => ['.TP', `.I ${text(file)}`, text(sentence(what))]),
  '.SH SIGNALS',
  ...[
    [
      'SIGTERM, SIGINT',
      'stop: established connections may end first (--shutdown-timeout); a second one ends them',
    ],
    ['SIGHUP', 'begin anew with the files now on disk; connections stay'],
    ['SIGQUIT', 'leave: the workers serve on until the next agent takes over'],
    ['SIGUSR2', 'open the access log anew, after it was rotated'],
  ].flatMap(([signal = '', what = '']) => ['.TP', `.B ${text(signal)}`, text(sentence(what))]),
  '.SH EXIT STATUS',
  text('0: done; 1: failed; 2: wrong usage or configuration.'),
  '.SH SEE ALSO',
  '.BR systemctl (1),',
  '.BR ip-route (8),',
  '.BR ip-netns (8)',
]

function usageOf({ arguments: args }: CommandNode): string {
  return text(['[options]', ...args.map(({ term }) => term)].join(' '))
}

function optionsOf({ options }: CommandNode): readonly string[] {
  const groups = Map.groupBy(options, ({ group }) => group)
  return [...groups].flatMap(([group, all]) => [
    '.PP',
    `.I ${text(`${group}:`)}`,
    ...all.flatMap(optionParagraph),
  ])
}

function optionParagraph(option: OptionNode): readonly string[] {
  const { flags, description, choices, default: usual } = option
  return ['.TP', `.B ${text(flags)}`, text(sentence(withNotes(description, choices, usual)))]
}

function withNotes(description: string, choices: readonly string[], usual: string | null): string {
  const notes = [
    ...(choices.length > 0 ? [`one of ${choices.join(', ')}`] : []),
    ...(usual === null ? [] : [`default: ${usual}`]),
  ]
  return notes.length === 0 ? description : `${description} (${notes.join('; ')})`
}

function sentence(description: string): string {
  const begun = `${description.slice(0, 1).toUpperCase()}${description.slice(1)}`
  return /[.!?]$/.test(begun) ? begun : `${begun}.`
}

function verbatim(lines: string): readonly string[] {
  return ['.nf', ...lines.split('\n').map(line => text(line)), '.fi']
}

/** A hyphen as it is typed, and nothing at the start of a line that roff would take for a request. */
function text(words: string): string {
  const plain = words
    .replaceAll('\\', String.raw`\e`)
    .replaceAll('-', String.raw`\-`)
    .replaceAll('…', '...')
    .replaceAll('→', '->')
  return /^[.']/.test(plain) ? `\\&${plain}` : plain
}
