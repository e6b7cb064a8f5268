import { test } from 'tap'
import * as fc from 'fast-check'
import { StatusError } from '../../../lib/standalone/kinds/status.ts'
import { objectOfProtobuf, protobufType } from '../../../lib/standalone/api/protobuf-objects.ts'
import { controlPlaneFor, refusal } from '../builders.ts'

/** Bodies as kubectl 1.36 sends them. */
const recorded = {
  namespace: 'azhzAAoPCgJ2MRIJTmFtZXNwYWNlEhwKFAoEc2hvcBIAGgAiACoAMgA4AEIAEgAaAgoAGgAiAA==',
  nodePort:
    'azhzAAoNCgJ2MRIHU2VydmljZRKAAQobCgFiEgAaACIAKgAyADgAQgBaCAoDYXBwEgFiEl0KIAoHODAtaHR0cBIDVENQGFAiCggBEAAaBGh0' +
    'dHAon+sBChcKAjgxEgNUQ1AYUSIGCAAQURoAKJ/rARIICgNhcHASAWIaACIITm9kZVBvcnQ6AEIAUgBaAGAAaAAaAgoAGgAiAA==',
  headless:
    'azhzAAoNCgJ2MRIHU2VydmljZRJKChsKAWYSABoAIgAqADIAOABCAFoICgNhcHASAWYSJxIICgNhcHASAWYaBE5vbmUiCUNsdXN0ZXJJUDoA' +
    'QgBSAFoAYABoABoCCgAaACIA',
} as const

const bytesOf = (base64: string): Buffer => Buffer.from(base64, 'base64')

void test('what kubectl sends is read as the JSON that it stands for', t => {
  t.same(objectOfProtobuf(bytesOf(recorded.namespace)), {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name: 'shop' },
    spec: {},
    status: {},
  })
  t.same(objectOfProtobuf(bytesOf(recorded.nodePort)), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'b', labels: { app: 'b' } },
    spec: {
      type: 'NodePort',
      selector: { app: 'b' },
      ports: [
        { name: '80-http', protocol: 'TCP', port: 80, targetPort: 'http', nodePort: 30111 },
        { name: '81', protocol: 'TCP', port: 81, targetPort: 81, nodePort: 30111 },
      ],
    },
    status: { loadBalancer: {} },
  })
  t.match(objectOfProtobuf(bytesOf(recorded.headless)), { spec: { type: 'ClusterIP', clusterIP: 'None' } })
  t.end()
})

void test('other kinds are not taken, and damaged ones are refused', t => {
  const pod = bytesOf('azhzAAoJCgJ2MRIDUG9kEgA=')
  t.equal(objectOfProtobuf(pod), undefined)
  const badRequest = { code: 400, reason: 'BadRequest', message: /no protobuf object/ }
  t.match(
    refusal(() => objectOfProtobuf(Buffer.from('{}'))),
    badRequest,
  )
  const whole = bytesOf(recorded.nodePort)
  t.match(
    refusal(() => objectOfProtobuf(whole.subarray(0, 60))),
    badRequest,
  )
  const damaged = fc.property(
    fc.constantFrom(...Object.values(recorded)),
    fc.array(fc.tuple(fc.nat(160), fc.nat(255)), { maxLength: 6 }),
    fc.nat(200),
    (base64, changes, length) => {
      const bytes = bytesOf(base64)
      for (const [at, value] of changes) bytes[4 + (at % (bytes.length - 4))] = value
      try {
        objectOfProtobuf(bytes.subarray(0, 4 + length))
      } catch (error) {
        if (!(error instanceof StatusError)) throw error
      }
    },
  )
  t.doesNotThrow(() => fc.assert(damaged, { numRuns: 2000 }))
  t.end()
})

void test('over HTTP: written as if it were JSON, answered as JSON', async t => {
  const { url } = await controlPlaneFor(t)
  const post = async (path: string, body: Uint8Array): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { 'content-type': protobufType, accept: `${protobufType},application/json` },
      body: Buffer.from(body),
    })
    return { status: response.status, body: await response.json() }
  }
  t.match(await post('/api/v1/namespaces', bytesOf(recorded.namespace)), {
    status: 201,
    body: { kind: 'Namespace', metadata: { name: 'shop' }, status: { phase: 'Active' } },
  })
  t.match(await post('/api/v1/namespaces/shop/services', bytesOf(recorded.headless)), {
    status: 201,
    body: { kind: 'Service', spec: { clusterIP: 'None', selector: { app: 'f' } } },
  })
  t.match(await post('/api/v1/namespaces/shop/services', bytesOf(recorded.headless)), {
    status: 409,
    body: { reason: 'AlreadyExists' },
  })
  const pod = bytesOf('azhzAAoJCgJ2MRIDUG9kEgA=')
  t.match(await post('/api/v1/namespaces/shop/pods', pod), { status: 415, body: { kind: 'Status' } })
})
