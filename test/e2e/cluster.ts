// A control plane for one test file: etcd and a real kube-apiserver on loopback, EndpointSlice v1, a Node object,
// and kube-relay's service account bound to exactly what deploy/base/rbac.yaml grants.

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { createApi, type Api } from './api.ts'
import { createEtcd, type Etcd } from './etcd.ts'
import { adminToken, createKubeApiserver, type KubeApiserver } from './kube-apiserver.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { createKubectl, kubectlPrograms, type Kubectl } from './kubectl.ts'
import { createNetwork, nodeAddress, podRange, removeNetwork } from './network.ts'
import { requireSandbox, temporaryFolder } from './sandbox.ts'
import { until } from './until.ts'

export const nodeName = 'node-1'

export interface Cluster {
  readonly etcd: Etcd
  readonly apiserver: KubeApiserver
  readonly api: Api
  readonly kubectl: Kubectl
  /** The administrator's, as a file. */
  readonly kubeconfig: string
  /** The newest kubectl that is there. */
  readonly newestKubectl: Kubectl
  /** One more API server over the same etcd, on another port; not started yet. */
  createSecondApiserver(): Promise<KubeApiserver>
}

/**
 * Makes the network and starts the control plane; resolves when kubectl can create everything. It ends with the
 * test, which shows the newest of its logs if it failed.
 */
export async function startCluster(
  t: Test,
  options: { readonly apiserverFlags?: readonly string[] } = {},
): Promise<Cluster> {
  requireSandbox()
  const folder = temporaryFolder('cluster')
  const certificates = join(folder.path, 'kube-apiserver')
  mkdirSync(certificates)
  await createNetwork()
  const etcd = await createEtcd(join(folder.path, 'etcd'))
  const apiserver = await createKubeApiserver(certificates, etcd.url, options.apiserverFlags)
  const api = createApi(apiserver)
  const extra: KubeApiserver[] = []

  t.teardown(async () => {
    await api.close()
    await Promise.all([apiserver, ...extra].map(server => server.crash()))
    await etcd.crash()
    await removeNetwork()
    if (!t.passing()) for (const each of [etcd, apiserver, ...extra]) t.comment(each.tail(1500))
    folder.remove()
  })

  await etcd.start()
  await apiserver.start()
  const kubeconfig = join(folder.path, 'admin.kubeconfig')
  writeKubeconfig(kubeconfig, {
    server: apiserver.url,
    caFile: apiserver.caFile,
    user: { token: adminToken },
  })
  const kubectl = createKubectl(kubeconfig, folder.path)
  const [, newest] = await kubectlPrograms()
  await installObjects(kubectl, api)
  return {
    etcd,
    apiserver,
    api,
    kubectl,
    kubeconfig,
    newestKubectl: createKubectl(kubeconfig, folder.path, newest.program),
    createSecondApiserver: async () => {
      const second = await createKubeApiserver(certificates, etcd.url, options.apiserverFlags)
      extra.push(second)
      return second
    },
  }
}

async function installObjects(kubectl: Kubectl, api: Api): Promise<void> {
  await kubectl('create', '-f', `${import.meta.dirname}/endpoint-slice-crd.yaml`)
  await kubectl('wait', '--for=condition=Established', 'crd/endpointslices.discovery.k8s.io', '--timeout=60s')
  // The namespace is the server's own doing, some moments after its start.
  await until('namespace kube-system exists', async () => {
    const { status } = await api.send('GET', '/api/v1/namespaces/kube-system')
    return status === 200 || undefined
  })
  await kubectl('create', '-f', resolve(import.meta.dirname, '../../deploy/base/rbac.yaml'))
  const node = {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: {
      name: nodeName,
      labels: { 'kubernetes.io/hostname': nodeName, 'topology.kubernetes.io/zone': 'zone-a' },
    },
    spec: { podCIDR: podRange, podCIDRs: [podRange] },
  }
  await kubectl.create(node)
  await api.must('PATCH', `/api/v1/nodes/${nodeName}/status`, {
    status: { addresses: [{ type: 'InternalIP', address: nodeAddress }] },
  })
  await until('EndpointSlice v1 is served', async () => {
    const { status } = await api.send('GET', '/apis/discovery.k8s.io/v1/endpointslices')
    return status === 200 || undefined
  })
}
