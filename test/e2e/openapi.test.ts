// Our schemas against the real server's OpenAPI document: every field that a kind has there, it has here, with the same
// type and merged in the same way. The real server is older than the API we serve, so where the API has changed since,
// the difference is named here with its reason.

import t from 'tap'
import { openApiV2 } from '../../lib/standalone/api/openapi-documents.ts'
import type { JsonSchema } from '../../lib/standalone/api/openapi-types.ts'
import { endpointSlices, resourceTypes } from '../../lib/standalone/kinds/resources.ts'
import { schemaOf } from '../../lib/standalone/kinds/schemas.ts'
import { startCluster } from './cluster.ts'

type Definitions = Readonly<Record<string, JsonSchema>>

const core = 'io.k8s.api.core.v1'
const meta = 'io.k8s.apimachinery.pkg.apis.meta.v1'

/** "TYPE.FIELD" → why it isn't the same. */
const changed: ReadonlyMap<string, string> = new Map([
  [`${meta}.ObjectMeta.clusterName`, 'removed in 1.24'],
  [`${meta}.LabelSelectorRequirement.key`, 'had a merge key although it is no list, until 1.27'],
  [`${core}.ServiceSpec.topologyKeys`, 'removed in 1.22'],
  [`${core}.EphemeralVolumeSource.readOnly`, 'removed in 1.21'],
  [`${core}.EphemeralContainer.ports`, 'has the merge key of other containers since 1.24'],
])

/** Types that have another name today. */
const renamed: ReadonlyMap<string, string> = new Map([
  [`${core}.Handler`, `${core}.LifecycleHandler`],
  [
    `${core}.PersistentVolumeClaimSpec.resources ${core}.ResourceRequirements`,
    `${core}.VolumeResourceRequirements`,
  ],
])

const merging = ['x-kubernetes-patch-merge-key', 'x-kubernetes-patch-strategy'] as const

const cluster = await startCluster(t)
const { definitions: theirs } = (await cluster.api.must('GET', '/openapi/v2')) as { definitions: Definitions }
const ours = openApiV2().definitions

void t.test(
  'every field of the real server is here, of the same type and with the same merge key',
  async t => {
    const differences: string[] = []
    const excused = new Set<string>()
    const seen = new Map<string, string>()

    const nameOf = ({ $ref }: JsonSchema): string => ($ref ?? '').slice('#/definitions/'.length)
    const compareSchemas = (theirSchema: JsonSchema, ourSchema: JsonSchema, where: string): void => {
      const differ = (what: string, their: unknown, our: unknown) => {
        if (JSON.stringify(their) !== JSON.stringify(our)) {
          differences.push(`${where}: ${what} is ${JSON.stringify(our)} rather than ${JSON.stringify(their)}`)
        }
      }
      if (theirSchema.$ref !== undefined) {
        const theirName = nameOf(theirSchema)
        const expected = renamed.get(`${where} ${theirName}`) ?? renamed.get(theirName) ?? theirName
        differ('its type', expected, nameOf(ourSchema))
        if (expected === nameOf(ourSchema)) compareTypes(theirName, expected)
        return
      }
      for (const key of ['type', 'format', ...merging] as const) differ(key, theirSchema[key], ourSchema[key])
      if (theirSchema.items) compareSchemas(theirSchema.items, ourSchema.items ?? {}, `${where}[]`)
      if (theirSchema.additionalProperties) {
        compareSchemas(theirSchema.additionalProperties, ourSchema.additionalProperties ?? {}, `${where}{}`)
      }
    }
    const compareTypes = (theirName: string, ourName: string): void => {
      if (seen.get(theirName) === ourName) return
      seen.set(theirName, ourName)
      const [their, our] = [theirs[theirName], ours[ourName]]
      if (!their || !our) {
        differences.push(`${theirName} or ${ourName} is no type`)
        return
      }
      for (const [field, theirSchema] of Object.entries(their.properties ?? {})) {
        const where = `${ourName}.${field}`
        if (changed.has(where)) {
          excused.add(where)
          continue
        }
        const ourSchema = our.properties?.[field]
        if (ourSchema) compareSchemas(theirSchema, ourSchema, where)
        else differences.push(`${where} is missing`)
      }
      if (!their.properties) compareSchemas(their, our, ourName)
    }

    // The cluster's EndpointSlice v1 is a CustomResourceDefinition without fields: see endpoint-slice-crd.yaml.
    for (const type of resourceTypes.filter(candidate => candidate !== endpointSlices)) {
      const name = schemaOf(type).name ?? ''
      compareTypes(name, name)
    }
    t.strictSame(differences, [])
    t.strictSame(
      [...changed.keys()].filter(field => !excused.has(field)),
      [],
      'every named exception is one',
    )
    t.ok(seen.size > 120, `${seen.size} types were compared`)
  },
)

void t.test('what is required today was required then, or is newer', async t => {
  const newer = new Map([
    // The address is what a list of addresses is merged by.
    [`${core}.HostAlias`, ['ip']],
    [`${core}.PodIP`, ['ip']],
  ])
  for (const [name, our] of Object.entries(ours)) {
    const their = theirs[name]
    if (!their) continue
    const before = new Set([...(their.required ?? []), ...(newer.get(name) ?? [])])
    const added = (our.required ?? []).filter(field => !before.has(field) && their.properties?.[field])
    t.strictSame(added, [], name)
  }
})
