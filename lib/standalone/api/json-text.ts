// What JSON.parse doesn't say about a text: which members come twice, and how deep it is nested.

/** Deeper than any object of the API; what handles objects by recursion can rely on it. */
export const maxDepth = 512

/** More than anyone reads. */
const maxDuplicates = 100

export interface JsonTextFacts {
  /** "spec.ports[0].name", in the order of the text. */
  readonly duplicates: readonly string[]
  readonly tooDeep: boolean
}

interface Level {
  /** The members so far; null for a list. */
  readonly names: Set<string> | null
  /** The present member's name, or the present item's index. */
  at: string | number
}

/** Reads a text that JSON.parse has accepted. Its cost is about that of JSON.parse itself. */
export function factsOfJson(text: string): JsonTextFacts {
  const levels: Level[] = []
  const duplicates: string[] = []
  let nameComes = false
  for (let i = 0; i < text.length; i++) {
    switch (text.charCodeAt(i)) {
      case 0x7b: // {
      case 0x5b: // [
        if (levels.length === maxDepth) return { duplicates, tooDeep: true }
        nameComes = text[i] === '{'
        levels.push({ names: nameComes ? new Set() : null, at: nameComes ? '' : 0 })
        break
      case 0x7d: // }
      case 0x5d: // ]
        levels.pop()
        nameComes = false
        break
      case 0x2c: {
        // ,
        const level = levels.at(-1)
        if (typeof level?.at === 'number') level.at++
        nameComes = level?.names instanceof Set
        break
      }
      case 0x22: {
        // "
        const end = endOfString(text, i)
        const level = levels.at(-1)
        if (nameComes && level?.names) {
          const name = JSON.parse(text.slice(i, end + 1)) as string
          level.at = name
          if (level.names.has(name) && duplicates.length < maxDuplicates) duplicates.push(pathOf(levels))
          level.names.add(name)
          nameComes = false
        }
        i = end
        break
      }
      default:
    }
  }
  return { duplicates: [...new Set(duplicates)], tooDeep: false }
}

/** The index of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let end = start
  for (;;) {
    end = text.indexOf('"', end + 1)
    let backslashes = 0
    while (text.charCodeAt(end - 1 - backslashes) === 0x5c) backslashes++
    if (end < 0 || backslashes % 2 === 0) return end < 0 ? text.length : end
  }
}

function pathOf(levels: readonly Level[]): string {
  return levels
    .map(({ at }) => (typeof at === 'number' ? `[${at}]` : `.${at}`))
    .join('')
    .slice(1)
}
