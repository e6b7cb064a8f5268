// Reads Markdown as far as the tests of the documents need it: headings with their anchors, links, and the commands in
// blocks of code, with the place where each stands.

/** The anchors of a document's headings, as GitHub makes them. */
export function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  for (const line of proseOf(text)) {
    const [, title] = /^#{1,6} +(.*?) *#*$/.exec(line) ?? []
    if (title === undefined) continue
    const base = slugOf(title)
    let anchor = base
    for (let n = 1; anchors.has(anchor); n++) anchor = `${base}-${n}`
    anchors.add(anchor)
  }
  return anchors
}

function slugOf(title: string): string {
  return title
    .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, '')
    .replaceAll(' ', '-')
}

/** Where the links of a document lead, as they are written. */
export function linksOf(text: string): readonly string[] {
  const prose = proseOf(text)
    .join('\n')
    .replaceAll(/`[^`\n]*`/g, '')
  return [...prose.matchAll(/\]\(([^)\s]+)[^)]*\)/g)].map(([, target = '']) => target)
}

export interface CodeLine {
  /** From 1. */
  readonly line: number
  readonly text: string
  /** What stands after the fence, or '' for an indented block. */
  readonly language: string
  /** Which block of the document it belongs to. */
  readonly block: number
}

/** The lines of all blocks of code, fenced and indented. */
export function codeLinesOf(text: string): readonly CodeLine[] {
  return linesOf(text).flatMap(({ line, text: each, code }) =>
    code === null || each.trim() === '' ? [] : [{ line, text: each, ...code }],
  )
}

/** What stands between single backticks in the text. */
export function codeSpansOf(text: string): readonly string[] {
  const prose = proseOf(text).join('\n')
  return [...prose.matchAll(/`([^`]+)`/g)].map(([, span = '']) => span.replaceAll(/\s+/g, ' '))
}

function proseOf(text: string): readonly string[] {
  return linesOf(text)
    .filter(({ code }) => code === null)
    .map(line => line.text)
}

interface Line {
  readonly line: number
  readonly text: string
  /** Null outside of any block of code. */
  readonly code: Pick<CodeLine, 'language' | 'block'> | null
}

function linesOf(text: string): readonly Line[] {
  const lines: Line[] = []
  let block = 0
  let fence: { readonly marks: string; readonly language: string; readonly indent: number } | null = null
  let blankBefore = true
  let indented = false
  for (const [index, each] of text.split('\n').entries()) {
    const line = index + 1
    const [, indent = '', marks, language = ''] = /^( *)(`{3,}|~{3,})\s*(\S*)/.exec(each) ?? []
    if (fence !== null) {
      if (marks?.startsWith(fence.marks)) fence = null
      else lines.push({ line, text: each.slice(fence.indent), code: { language: fence.language, block } })
    } else if (marks !== undefined) {
      block++
      fence = { marks, language, indent: indent.length }
    } else {
      const goesOn = /^ {4}/.test(each) || (indented && each.trim() === '')
      if (goesOn && !indented && blankBefore) {
        block++
        indented = true
      }
      if (!goesOn) indented = false
      lines.push({
        line,
        text: indented ? each.slice(4) : each,
        code: indented ? { language: '', block } : null,
      })
    }
    blankBefore = each.trim() === ''
  }
  return lines
}
