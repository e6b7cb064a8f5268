// What --show-config shows beside a contestant's files: how it is started.

import type { ConfigFile } from '../contestant.ts'

/** Stands for the temporary folder, which isn't there yet. */
export const folderPlaceholder = '$TEMPORARY_FOLDER'

const name = 'command line'

export function commandLine(...commands: readonly (readonly string[])[]): ConfigFile {
  return { name, text: commands.map(words => `${words.map(quoted).join(' ')}\n`).join('') }
}

/** Those that are written to disk. */
export function onDisk(files: readonly ConfigFile[]): readonly ConfigFile[] {
  return files.filter(file => file.name !== name)
}

function quoted(word: string): string {
  return /^[\w@%+=:,./$-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`
}
