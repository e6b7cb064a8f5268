// The manifests in deploy/: a real kube-apiserver takes them, and the agent, run as the DaemonSet runs it, with the ServiceAccount
// and the rights that they make and nothing else, does everything.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import type { StatusDocument } from '../../lib/ops/status.ts'
import { agentRequests } from './audit.ts'
import { outcomeOf, run, startChild } from './child.ts'
import { ask } from './client.ts'
import { nodeName, startCluster } from './cluster.ts'
import { kubectlPrograms } from './kubectl.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { serviceRange } from './network.ts'
import { endpointSlice, service } from './objects.ts'
import {
  buildOverlay,
  daemonSetIn,
  overlays,
  unknownFields,
  type ApiObject,
  type Overlay,
} from './overlays.ts'
import { startPod } from './pods.ts'
import { temporaryFolder } from './sandbox.ts'
import { createToken } from './service-account.ts'
import { until } from './until.ts'

const entry = resolve(import.meta.dirname, '../../cmd/kube-relay.ts')
/** Where the kubelet mounts it. /run is the run's own. */
const serviceAccountFolder = '/run/secrets/kubernetes.io/serviceaccount'
const rightsOf = ['ServiceAccount', 'ClusterRole', 'ClusterRoleBinding']

// As kubeadm starts it: containers may be privileged, if they are said to be.
const cluster = await startCluster(t, { apiserverFlags: ['--allow-privileged=true'] })
const { api, kubectl } = cluster
const [oldest, newest] = await kubectlPrograms()
const built = new Map<Overlay, readonly ApiObject[]>()
for (const each of overlays) built.set(each, await buildOverlay(each, oldest.program))

void t.test('the oldest and the newest kubectl make the same of each overlay', async t => {
  for (const [overlay, objects] of built)
    t.same(await buildOverlay(overlay, newest.program), objects, overlay)
})

const misspelt: ApiObject & { readonly spec: object } = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'misspelt' },
  spec: { selektor: {} },
}

void t.test('every field is one of the Kubernetes API', async t => {
  for (const [overlay, objects] of built) t.same(objects.flatMap(unknownFields), [], overlay)
  t.same(unknownFields(misspelt), ['DaemonSet.spec.selektor is unknown'])
})

void t.test('the server takes every object', async t => {
  // The operator's kinds, whose schema isn't here: any field will do.
  await kubectl.create(anyFields('podmonitors', 'PodMonitor'), anyFields('prometheusrules', 'PrometheusRule'))
  for (const name of ['podmonitors', 'prometheusrules']) {
    await kubectl('wait', '--for=condition=Established', `crd/${name}.monitoring.coreos.com`, '--timeout=60s')
  }
  for (const [overlay, objects] of built) {
    const whole = await dryRun(objects)
    // Since 1.21 there is maxSurge; this server would drop the field, and then refuse 0 for maxUnavailable.
    t.match(whole.stderr, /unknown field "maxSurge"/, `${overlay}: all that this server doesn't know`)
    t.equal(whole.stderr.match(/unknown field/g)?.length, 1, whole.stderr)
    const { status, stdout, stderr } = await dryRun(objects.map(withoutSurge))
    t.equal(status, 0, `${overlay}: ${stderr}`)
    for (const { kind, metadata } of objects) {
      t.match(stdout, new RegExp(`^${kind.toLowerCase()}.*/${metadata.name} .*\\(server dry run\\)$`, 'm'))
    }
  }
  const privileged = daemonSetIn(built.get('vip-netns') ?? [])
  const container = privileged.spec?.template.spec?.containers[0]
  if (container !== undefined) container.securityContext = {}
  const { stderr } = await dryRun([withoutSurge(privileged)])
  t.match(stderr, /Bidirectional.*privileged/, 'why vip-netns is privileged')
})

for (const overlay of ['vip-none', 'vip-local', 'vip-netns', 'kubeadm'] as const) {
  void t.test(`${overlay}: the agent does everything with the rights that come with it`, async t => {
    const objects = await buildOverlay(overlay, oldest.program)
    const rights = objects.filter(({ kind }) => rightsOf.includes(kind))
    await kubectl('delete', '-f', resolve(import.meta.dirname, '../../deploy/base/rbac.yaml'))
    await kubectl.create(...rights)
    if (overlay !== 'vip-none') await run('ip', ['route', 'delete', 'local', serviceRange, 'dev', 'lo'])
    t.teardown(() => run('ip', ['route', 'replace', 'local', serviceRange, 'dev', 'lo']))
    const before = agentRequests(cluster).length
    const agent = await startAsDaemonSet(t, objects)
    const pod = await startPod(`pod-of-${overlay}`)
    t.teardown(() => pod.close())
    await kubectl.create(
      service({ name: overlay }),
      endpointSlice({ service: overlay, pods: [pod] }),
      badlyAnnotated(`${overlay}-bad`),
    )
    t.teardown(() => kubectl('delete', 'service', overlay, `${overlay}-bad`))
    const { body } = await api.send('GET', `/api/v1/namespaces/default/services/${overlay}`)
    const { clusterIP } = body['spec'] as { clusterIP: string }
    await agent.untilStatus(`${overlay} is listened for`, ({ services }) =>
      services.some(
        ({ name, frontends }) => name === overlay && frontends.every(({ state }) => state === 'listening'),
      ),
    )
    t.equal((await ask({ protocol: 'TCP', address: clusterIP, port: 80 }, 'hello')).pod, pod.name)
    const ready = await outcomeOf(process.execPath, [entry, 'ready'])
    t.equal(ready.status, 0, ready.stderr)

    const noted = await until('the event on the Service', async () => {
      const events = await api.must('GET', '/apis/events.k8s.io/v1/namespaces/default/events')
      const items = events['items'] as readonly {
        reason: string
        note: string
        regarding: { name: string }
      }[]
      return items.find(({ regarding }) => regarding.name === `${overlay}-bad`)
    })
    t.match(noted, { reason: 'NotServedAsWritten', note: /balance/ })
    const requests = agentRequests(cluster).slice(before)
    t.same(
      requests
        .filter(({ responseStatus }) => [401, 403].includes(responseStatus?.code ?? 0))
        .map(each => each.requestURI),
      [],
      'by the audit log, nothing was refused',
    )
    t.notMatch(agent.output(), /RBAC|forbidden|refuses/, 'nor by its own')
    const used = new Set(
      requests.map(({ verb, objectRef: at }) => `${verb} ${at?.apiGroup ?? ''}/${at?.resource ?? ''}`),
    )
    t.same([...used].sort(), granted(rights), 'and nothing was granted in vain')
    t.equal(await agent.stop(), 0)
  })
}

interface DaemonSetAgent {
  untilStatus(what: string, accept: (status: StatusDocument) => boolean): Promise<StatusDocument>
  output(): string
  stop(): Promise<number | NodeJS.Signals>
}

/** The command line and the environment of the DaemonSet's container, and its files where the kubelet mounts them. */
async function startAsDaemonSet(t: Test, objects: readonly ApiObject[]): Promise<DaemonSetAgent> {
  const { spec } = daemonSetIn(objects).spec?.template ?? {}
  const container = spec?.containers.find(({ name }) => name === 'kube-relay')
  if (container === undefined) throw new Error('the DaemonSet has no container kube-relay')
  const { url, caFile } = cluster.apiserver
  mkdirSync(serviceAccountFolder, { recursive: true })
  writeFileSync(join(serviceAccountFolder, 'token'), await createToken(api))
  writeFileSync(join(serviceAccountFolder, 'namespace'), 'kube-system')
  writeFileSync(join(serviceAccountFolder, 'ca.crt'), readFileSync(caFile))
  const configMaps = {
    'kube-relay': {
      KUBERNETES_SERVICE_HOST: new URL(url).hostname,
      KUBERNETES_SERVICE_PORT: new URL(url).port,
    },
  }
  const env = Object.fromEntries((container.env ?? []).map(({ name, value = nodeName }) => [name, value]))
  for (const { configMapRef } of container.envFrom ?? []) {
    Object.assign(env, configMaps[configMapRef?.name as keyof typeof configMaps])
  }
  const folder = temporaryFolder('daemon-set')
  t.teardown(() => folder.remove())
  writeFileSync(
    join(folder.path, 'config.conf'),
    readFileSync(resolve(import.meta.dirname, '../config/kubeadm.conf')),
  )
  writeKubeconfig(join(folder.path, 'kubeconfig.conf'), {
    server: url,
    caFile,
    user: { tokenFile: `/var${serviceAccountFolder}/token` },
  })
  const args = (container.args ?? []).map(each =>
    each.replaceAll(/\$\((\w+)\)/g, (all, name: string) => env[name] ?? all),
  )
  // The volumes of the DaemonSet, in a view of the file system that only the agent has.
  const mounts =
    'mount -t tmpfs tmpfs /var/lib && mkdir /var/lib/kube-proxy && cp "$0"/* /var/lib/kube-proxy && exec "$@"'
  const child = await startChild({
    name: 'kube-relay',
    command: 'unshare',
    args: ['--mount', 'sh', '-c', mounts, folder.path, process.execPath, entry, ...args],
    env: { STATE_DIRECTORY: '', KUBECONFIG: '', ...env },
  })
  t.teardown(async () => {
    await child.close()
    if (!t.passing()) t.comment(child.tail())
  })
  return {
    untilStatus: (what, accept) =>
      until(
        what,
        async () => {
          const response = await fetch('http://127.0.0.1:10249/status', { headers: { connection: 'close' } })
          const status = (await response.json()) as StatusDocument
          return accept(status) ? status : undefined
        },
        { deadlineMs: 120_000, hopeless: () => child.ended(), detail: () => child.tail() },
      ),
    output: () => child.output(),
    stop: () => child.kill('SIGTERM'),
  }
}

async function dryRun(objects: readonly object[]): ReturnType<typeof kubectl.outcome> {
  const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects })
  return await kubectl.outcome(['apply', '--dry-run=server', '-f', '-'], { input })
}

function withoutSurge(object: ApiObject): ApiObject {
  if (object.kind !== 'DaemonSet') return object
  const { spec } = object as ApiObject & { readonly spec?: Readonly<Record<string, unknown>> }
  const without = { ...object, spec: { ...spec, updateStrategy: { type: 'RollingUpdate' } } }
  return without
}

function badlyAnnotated(name: string): object {
  const bad = service({ name }) as { metadata: object }
  return { ...bad, metadata: { ...bad.metadata, annotations: { 'kube-relay/balance': 'by-mood' } } }
}

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

/** "watch /services", in order. */
function granted(rights: readonly ApiObject[]): readonly string[] {
  const rules = rights.flatMap(each => (each as { rules?: readonly Rule[] }).rules ?? [])
  return rules
    .flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap(group => resources.flatMap(name => verbs.map(verb => `${verb} ${group}/${name}`))),
    )
    .sort()
}

function anyFields(plural: string, kind: string): object {
  const schema = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.monitoring.coreos.com` },
    spec: {
      group: 'monitoring.coreos.com',
      scope: 'Namespaced',
      names: { plural, singular: kind.toLowerCase(), kind },
      versions: [{ name: 'v1', served: true, storage: true, schema }],
    },
  }
}
