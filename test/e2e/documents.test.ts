// The kubectl commands of docs/INSTALL.md and docs/MIGRATION.md, as they stand there, against a real kube-apiserver. The
// test is the kubelet and the controllers, which aren't here: it says that a DaemonSet's pods are up. test/docs/commands.ts
// says which commands these are.

import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { delimiter } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { held, keyOf, readBlocks, root } from '../docs/commands.ts'
import { nodeName, startCluster } from './cluster.ts'
import { kubectlPrograms } from './kubectl.ts'
import { temporaryFolder } from './sandbox.ts'

const cluster = await startCluster(t, { apiserverFlags: ['--allow-privileged'] })
const { api, kubectl } = cluster
const [, newest] = await kubectlPrograms()
const folder = temporaryFolder('documents')
t.teardown(() => folder.remove())
writeFileSync(`${folder.path}/kubectl`, `#!/bin/sh\nexec ${newest.program} "$@"\n`, { mode: 0o755 })

const execute = promisify(execFile)

/** As a reader does, in the checkout. */
async function type(command: string): Promise<string> {
  const text = command.replaceAll(/\bNODE\b/g, nodeName)
  const { stdout } = await execute('bash', ['-euo', 'pipefail', '-c', text], {
    cwd: root,
    env: {
      ...process.env,
      KUBECONFIG: cluster.kubeconfig,
      HOME: folder.path,
      PATH: `${folder.path}${delimiter}${process.env['PATH']}`,
    },
  })
  return stdout
}

const daemonSets = '/apis/apps/v1/namespaces/kube-system/daemonsets'

/** Every pod that there has to be is there, says the controller that isn't. */
async function rolledOut(name: string): Promise<void> {
  const { metadata } = await api.must('GET', `${daemonSets}/${name}`)
  const { generation } = metadata as { readonly generation: number }
  const pods = { desiredNumberScheduled: 1, currentNumberScheduled: 1, updatedNumberScheduled: 1 }
  const status = {
    ...pods,
    numberMisscheduled: 0,
    numberReady: 1,
    numberAvailable: 1,
    observedGeneration: generation,
  }
  await api.must('PATCH', `${daemonSets}/${name}/status`, { status })
}

const labels = { 'k8s-app': 'kube-proxy' }
const kubeProxy = {
  apiVersion: 'apps/v1',
  kind: 'DaemonSet',
  metadata: { name: 'kube-proxy', namespace: 'kube-system' },
  spec: {
    selector: { matchLabels: labels },
    template: {
      metadata: { labels },
      spec: { containers: [{ name: 'kube-proxy', image: 'kube-proxy' }] },
    },
  },
}

/** Without what this server is too old for: see manifests.test.ts. */
const install =
  'kubectl kustomize deploy/overlays/kubeadm | sed "/maxSurge/d; s/maxUnavailable: 0/maxUnavailable: 1/" | kubectl apply -f -'

interface Written {
  readonly spec?: { readonly template: { readonly spec: { readonly affinity?: object } } }
  readonly metadata: { readonly labels?: Readonly<Record<string, string>> }
}

/** What is to be seen after a command, by how it begins. */
const outcomes: readonly (readonly [string, (said: string) => Promise<unknown>])[] = [
  [
    'kubectl --namespace kube-system patch daemonset kube-proxy',
    async () => {
      const { spec } = (await api.must('GET', `${daemonSets}/kube-proxy`)) as unknown as Written
      t.match(
        JSON.stringify(spec?.template.spec.affinity),
        /"key":"kube-relay\/proxy","operator":"NotIn","values":\["kube-relay"\]/,
      )
      await rolledOut('kube-proxy')
    },
  ],
  [
    'kubectl label node NODE kube-relay/proxy=kube-relay',
    async () => {
      const { metadata } = (await api.must('GET', `/api/v1/nodes/${nodeName}`)) as unknown as Written
      t.equal(metadata.labels?.['kube-relay/proxy'], 'kube-relay')
    },
  ],
  [
    'kubectl label node NODE kube-relay/proxy-',
    async () => {
      const { metadata } = (await api.must('GET', `/api/v1/nodes/${nodeName}`)) as unknown as Written
      t.notOk('kube-relay/proxy' in (metadata.labels ?? {}))
    },
  ],
  [
    'kubectl --namespace kube-system delete daemonset kube-proxy',
    async () => t.equal((await api.send('GET', `${daemonSets}/kube-proxy`)).status, 404),
  ],
  [
    'kubectl delete --kustomize',
    async () => t.equal((await api.send('GET', `${daemonSets}/kube-relay`)).status, 404),
  ],
]

void t.test('each goes well, in the order of the documents', async t => {
  await kubectl.create(kubeProxy)
  await type(install)
  await rolledOut('kube-relay')
  const typed = ['docs/INSTALL.md', 'docs/MIGRATION.md']
    .flatMap(document => readBlocks(document).commands)
    .filter(({ text }) => {
      const by = held[keyOf(text) ?? '']
      return typeof by === 'object' && 'test/e2e/documents.test.ts' in by
    })
  t.ok(typed.length >= 8, `${typed.length} commands`)
  for (const { at, text, typed: command } of typed) {
    const said = await type(command)
    t.pass(`${at}: ${text}: ${said}`)
    for (const [begins, look] of outcomes) if (text.startsWith(begins)) await look(said)
  }
  for (const [begins] of outcomes)
    t.ok(
      typed.some(({ text }) => text.startsWith(begins)),
      `${begins} is there`,
    )
})
