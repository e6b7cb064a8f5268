// The documents about the API itself: /version, discovery and OpenAPI. They don't change while the server runs.

import type { IncomingMessage, ServerResponse } from 'node:http'
import {
  aggregatedDiscovery,
  coreVersions,
  groupDocument,
  groupList,
  resourceList,
  versionInfo,
  type AggregatedVersion,
} from './discovery.ts'
import { clausesOf, type Clause } from './negotiation.ts'
import type { OpenApiRoute } from './openapi-answers.ts'
import {
  allows,
  chooseMediaType,
  json,
  kept,
  represent,
  sendRepresentation,
  yaml,
  type Representation,
} from './representations.ts'
import type { DocumentRoute } from './routes.ts'

/** Answers a GET or HEAD of a document. Rejects with a 406 when the client accepts none of its forms. */
export async function sendDocument(
  route: DocumentRoute,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (route.kind === 'openapi-v2' || route.kind === 'openapi-v3') {
    const { sendOpenApi } = await import('./openapi-answers.ts')
    sendOpenApi(route, request, response)
    return
  }
  const { accept = '', host = '' } = request.headers
  sendRepresentation(request, response, representationOf(route, accept, host))
}

function representationOf(
  route: Exclude<DocumentRoute, OpenApiRoute>,
  accept: string,
  host: string,
): Representation {
  switch (route.kind) {
    case 'version':
      return plain(accept, 'version', () => versionInfo)
    case 'core-versions':
      // It names the host that the client knows, so it is no document to keep.
      return aggregated(accept, true) ?? represent(chooseMediaType(accept, [json, yaml]), coreVersions(host))
    case 'groups':
      return aggregated(accept, false) ?? plain(accept, 'groups', groupList)
    case 'group':
      return plain(accept, `group ${route.group}`, () => groupDocument(route.group))
    default:
      return plain(accept, `resources ${route.group}/${route.version}`, () =>
        resourceList(route.group, route.version),
      )
  }
}

function plain(accept: string, key: string, make: () => object): Representation {
  const mediaType = chooseMediaType(accept, [json, yaml])
  return kept(`${key} ${mediaType}`, () => represent(mediaType, make()))
}

/** The aggregated form, if the client wants it before the others. */
function aggregated(accept: string, core: boolean): Representation | undefined {
  const clause = clausesOf(accept).find(candidate => allows(candidate, json) && isKnownForm(candidate))
  const version = clause && aggregatedVersion(clause)
  if (!version) return undefined
  return kept(`aggregated ${String(core)} ${version}`, () => ({
    ...represent(json, aggregatedDiscovery(core, version)),
    contentType: `${json};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
  }))
}

function isKnownForm(clause: Clause): boolean {
  return !clause.parameters.has('as') || aggregatedVersion(clause) !== undefined
}

function aggregatedVersion({ parameters }: Clause): AggregatedVersion | undefined {
  const version = parameters.get('v')
  const isAggregated =
    parameters.get('as') === 'APIGroupDiscoveryList' && parameters.get('g') === 'apidiscovery.k8s.io'
  return isAggregated && (version === 'v2' || version === 'v2beta1') ? version : undefined
}
