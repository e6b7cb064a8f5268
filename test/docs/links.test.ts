// Every link in the documents leads somewhere: the file is there, and the heading in it. Every test that a document names
// exists.

import { existsSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { documents, readDocument, root } from './commands.ts'
import { anchorsOf, linksOf } from './markdown.ts'

const all = [...documents, 'CHANGELOG.md']

void test('every link leads to a file, and to a heading in it', async t => {
  let links = 0
  for (const document of all) {
    for (const link of linksOf(readDocument(document))) {
      if (/^[a-z]+:/.test(link)) continue
      links++
      const [target = '', anchor] = link.split('#', 2)
      const file = target === '' ? document : path.join(path.dirname(document), target)
      if (!existsSync(path.join(root, file))) {
        t.fail(`${document} → ${link}: no such file`)
        continue
      }
      if (anchor === undefined || statSync(path.join(root, file)).isDirectory()) continue
      t.ok(anchorsOf(readFileSync(path.join(root, file), 'utf8')).has(anchor), `${document} → ${link}`)
    }
  }
  t.ok(links > 60, `${links} links`)
})

void test('every test that a document names exists', async t => {
  let named = 0
  for (const document of all) {
    const text = readDocument(document)
    const files = [
      ...[...text.matchAll(/(?<![\w/@-])((?:[a-z\d-]+\/)+[a-z\d.-]+)…/g)].map(
        ([, name]) => `test/${name}.test.ts`,
      ),
      ...[...text.matchAll(/(?<![\w/.-])(test\/[\w./-]+\.ts)\b/g)].map(([, name]) => name),
    ]
    named += files.length
    for (const file of files) t.ok(existsSync(path.join(root, file ?? '')), `${document}: ${file}`)
  }
  t.ok(named > 150, `${named} are named`)
})
