// /openapi: which document in which form. Loaded with the first request for one, as most runs never see any.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { apiVersionOf, resourceTypes } from '../kinds/resources.ts'
import { resourceNotFound } from '../kinds/status.ts'
import { openApiV2, openApiV3 } from './openapi-documents.ts'
import { encodeOpenApiV2 } from './openapi-protobuf.ts'
import {
  chooseMediaType,
  json,
  kept,
  represent,
  representBytes,
  sendRepresentation,
  type Representation,
} from './representations.ts'
import type { DocumentRoute } from './routes.ts'

export type OpenApiRoute = Extract<DocumentRoute, { readonly kind: 'openapi-v2' | 'openapi-v3' }>

const protobuf = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf'
/** The first name of that type, which is no valid one; kubectl goes on asking for it. */
const protobufOld = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf'

/** Answers a GET or HEAD of an OpenAPI document. Throws a 406 when the client accepts none of its forms. */
export function sendOpenApi(route: OpenApiRoute, request: IncomingMessage, response: ServerResponse): void {
  const accept = request.headers.accept ?? ''
  if (route.kind === 'openapi-v2') {
    sendRepresentation(request, response, v2In(chooseMediaType(accept, [json, protobuf, protobufOld])))
    return
  }
  chooseMediaType(accept, [json])
  if (route.apiVersion === undefined) {
    sendRepresentation(
      request,
      response,
      kept('openapi v3', () => represent(json, indexOfV3())),
    )
    return
  }
  const document = v3Of(route.apiVersion)
  const asked = new URLSearchParams(request.url?.split('?')[1]).get('hash') ?? ''
  if (asked !== '' && asked !== hashOf(document)) {
    response.writeHead(301, { location: addressOf(route.apiVersion), 'content-length': 0 }).end()
    return
  }
  // An address with its hash leads to this document or to none.
  const cacheControl = asked === '' ? undefined : 'public, max-age=31536000, immutable'
  sendRepresentation(request, response, document, cacheControl)
}

function v2In(mediaType: string): Representation {
  if (mediaType === json) return kept('openapi v2', () => represent(json, openApiV2()))
  return kept('openapi v2 protobuf', () =>
    representBytes(protobuf, Buffer.from(encodeOpenApiV2(openApiV2()))),
  )
}

/** Where the documents of version 3 are. An address changes with its document, so that clients may keep it for good. */
function indexOfV3(): object {
  const apiVersions = [...new Set(resourceTypes.map(type => apiVersionOf(type)))]
  return {
    paths: Object.fromEntries(
      apiVersions.map(apiVersion => [pathOf(apiVersion), { serverRelativeURL: addressOf(apiVersion) }]),
    ),
  }
}

function v3Of(apiVersion: string): Representation {
  return kept(`openapi v3 ${apiVersion}`, () => {
    const document = openApiV3(apiVersion)
    if (!document) throw resourceNotFound()
    return represent(json, document)
  })
}

function addressOf(apiVersion: string): string {
  return `/openapi/v3/${pathOf(apiVersion)}?hash=${hashOf(v3Of(apiVersion))}`
}

function pathOf(apiVersion: string): string {
  return apiVersion.includes('/') ? `apis/${apiVersion}` : `api/${apiVersion}`
}

function hashOf({ etag }: Representation): string {
  return etag.replaceAll('"', '')
}
