// A list in pages. Each page's objects are handed on as it arrives; the whole is consistent, as all pages
// of one list show the state at one resourceVersion, or it isn't a list at all.

import { RelayError } from '../model/error.ts'
import type { KubeObject } from '../model/objects.ts'
import type { KubeClient, Query } from './client.ts'
import { objectProblem } from './watch-event.ts'

/** As client-go's pager. */
export const pageLimit = 500

export interface PagedListOptions {
  readonly client: KubeClient
  readonly path: string
  /** Selectors. */
  readonly query: Query
  /** The state must not be older than this; `''` for the most recent, `'0'` for any that the server has at hand. */
  readonly resourceVersion: string
  readonly signal: AbortSignal
  /** The list begins, or begins again because it expired halfway: what came before doesn't count. */
  begin(): void
  item(object: KubeObject): void
  malformed(problem: string): void
}

/**
 * Gets all pages and returns the list's resourceVersion, from which to watch.
 * @throws RelayError as `KubeClient.request`
 */
export async function listPages(options: PagedListOptions): Promise<string> {
  const { client, path, signal } = options
  let query: Query = { ...options.query, limit: pageLimit, ...versionQuery(options.resourceVersion) }
  options.begin()
  for (;;) {
    let page: ListPage
    try {
      page = readPage(await client.get(path, { query, signal }), path)
    } catch (error) {
      if (!isExpired(error) || query['continue'] === undefined) throw error
      // The token's resourceVersion was compacted away while we paged. As client-go's pager: the whole list
      // again, now in one piece, as another paged one could expire just the same.
      query = { ...options.query }
      options.begin()
      continue
    }
    for (const item of page.items) {
      const problem = objectProblem(item)
      if (problem === null) options.item(item as KubeObject)
      else options.malformed(`list with ${problem}`)
    }
    if (page.next === '') return page.resourceVersion
    // The token carries the resourceVersion; the API server refuses a request that has both.
    query = { ...options.query, limit: pageLimit, continue: page.next }
  }
}

interface ListPage {
  readonly items: readonly unknown[]
  readonly resourceVersion: string
  /** The continue token, empty on the last page. */
  readonly next: string
}

function versionQuery(resourceVersion: string): Query {
  if (resourceVersion === '') return {}
  if (resourceVersion === '0') return { resourceVersion }
  // With a limit, the API server would otherwise take it for "exactly this one", which is soon compacted.
  return { resourceVersion, resourceVersionMatch: 'NotOlderThan' }
}

function readPage(body: unknown, path: string): ListPage {
  const { metadata, items } = (body ?? {}) as { readonly metadata?: unknown; readonly items?: unknown }
  const { resourceVersion, continue: next } = (metadata ?? {}) as Readonly<Record<string, unknown>>
  // An empty list is null where Go encoded a nil slice.
  const list = items ?? []
  if (!Array.isArray(list) || typeof resourceVersion !== 'string' || resourceVersion === '') {
    throw new RelayError(
      'API',
      `the answer to ${path} isn't a Kubernetes list: no metadata.resourceVersion or no items`,
    )
  }
  return { items: list, resourceVersion, next: typeof next === 'string' ? next : '' }
}

function isExpired(error: unknown): boolean {
  return error instanceof RelayError && error.code === 'GONE'
}
