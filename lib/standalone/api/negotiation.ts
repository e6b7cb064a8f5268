// What a client wants its answer to be: the object itself, a Table of it or only its metadata, and as JSON or YAML.
// Read from the Accept header as the real API server does (apiserver pkg/endpoints/handlers/negotiation), so that a
// client which lists several forms gets the first one that this server has.

import { StatusError } from '../kinds/status.ts'

export type AnswerForm = 'Object' | 'Table' | 'PartialObjectMetadata' | 'PartialObjectMetadataList'

export interface Negotiated {
  readonly as: AnswerForm
  /** Of meta.k8s.io, for every form but Object. */
  readonly version: 'v1' | 'v1beta1'
  readonly format: 'json' | 'yaml'
  /** Whether JSON is to be indented. */
  readonly pretty: boolean
}

/** One media range of an Accept header. */
export interface Clause {
  readonly type: string
  readonly subtype: string
  readonly quality: number
  readonly parameters: ReadonlyMap<string, string>
}

const accepted = ['application/json', 'application/yaml'] as const
const plain: Negotiated = { as: 'Object', version: 'v1', format: 'json', pretty: false }
const forms: ReadonlySet<string> = new Set<AnswerForm>([
  'Table',
  'PartialObjectMetadata',
  'PartialObjectMetadataList',
])

/** The form of the answer. Throws a 406 when the header allows none that this server has. */
export function negotiate(acceptHeader: string | undefined): Negotiated {
  const header = acceptHeader?.trim() ?? ''
  if (header === '') return plain
  for (const clause of clausesOf(header)) {
    for (const mediaType of accepted) {
      if (!matches(clause, mediaType)) continue
      const negotiated = formOf(clause.parameters)
      if (negotiated) {
        return { ...plain, ...negotiated, format: mediaType === 'application/yaml' ? 'yaml' : 'json' }
      }
    }
  }
  throw notAcceptable(`only the following media types are accepted: ${accepted.join(', ')}`)
}

/** 406: the client asks for a form of the answer that doesn't exist. */
export function notAcceptable(message: string): StatusError {
  return new StatusError(406, 'NotAcceptable', message)
}

/** The header's media ranges, the most wanted first and otherwise in their order. */
export function clausesOf(header: string): readonly Clause[] {
  return header
    .split(',')
    .map(text => clauseOf(text))
    .sort((a, b) => b.quality - a.quality)
}

function clauseOf(text: string): Clause {
  const [range = '', ...rest] = text.split(';').map(part => part.trim())
  const [type = '', subtype = ''] = range.toLowerCase().split('/')
  const parameters = new Map(
    rest.map(part => {
      const [name = '', value = ''] = part.split('=', 2)
      return [name.trim(), value.trim().replace(/^"(.*)"$/, '$1')]
    }),
  )
  const quality = Number(parameters.get('q') ?? 1)
  // A lone "*" is what some old clients (Java's among them) write for "*/*".
  return {
    type,
    subtype: range === '*' ? '*' : subtype,
    quality: Number.isFinite(quality) ? quality : 0,
    parameters,
  }
}

function matches({ type, subtype }: Clause, mediaType: string): boolean {
  const [wantedType, wantedSubtype] = mediaType.split('/')
  return (type === '*' || type === wantedType) && (subtype === '*' || subtype === wantedSubtype)
}

function formOf(
  parameters: ReadonlyMap<string, string>,
): { readonly as: AnswerForm; readonly version: 'v1' | 'v1beta1'; readonly pretty: boolean } | null {
  // A watch's frames have one schema here, and so has each resource one version.
  if (parameters.get('stream') || parameters.get('sv')) return null
  const pretty = parameters.get('pretty') === '1'
  const kind = parameters.get('as')
  const group = parameters.get('g')
  const version = parameters.get('v')
  if (kind === undefined && group === undefined && version === undefined) {
    return { as: 'Object', version: 'v1', pretty }
  }
  const known = kind !== undefined && forms.has(kind) && group === 'meta.k8s.io'
  return known && (version === 'v1' || version === 'v1beta1')
    ? { as: kind as AnswerForm, version, pretty }
    : null
}
