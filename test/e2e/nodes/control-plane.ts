// The real control plane for two nodes: etcd and a dual-stack kube-apiserver on the switch, EndpointSlice v1, the Node
// objects and kube-relay's service account. There are no controllers: tests write EndpointSlices themselves.

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { createApi, type Api } from '../api.ts'
import { createEtcd, type Etcd } from '../etcd.ts'
import { adminToken, createKubeApiserver, type KubeApiserver } from '../kube-apiserver.ts'
import { writeKubeconfig } from '../kubeconfig.ts'
import { createKubectl } from '../kubectl.ts'
import { nodeAddress as controlAddress } from '../network.ts'
import { createToken } from '../service-account.ts'
import { until } from '../until.ts'
import { startNewerFields } from './newer-fields.ts'
import { families, type Addresses, type Node } from './topology.ts'

const serviceCidrs: Addresses = { IPv4: '10.96.0.0/16', IPv6: 'fd00:96::/112' }

/** What Kubernetes 1.20 has, but not switched on. */
const featureGates = ['IPv6DualStack', 'ServiceLBNodePortControl', 'MixedProtocolLBService']

export interface ControlPlane {
  readonly etcd: Etcd
  readonly apiserver: KubeApiserver
  readonly api: Api
  /** The agents' kubeconfig; their token is in a file of its own. */
  readonly agentKubeconfig: string
  createNode(node: Node): Promise<void>
  deleteNode(node: Node): Promise<void>
  close(): Promise<void>
  tail(): string
}

/** Resolves when everything can be created. Its files are in `folder`. */
export async function startControlPlane(folder: string): Promise<ControlPlane> {
  const certificates = join(folder, 'kube-apiserver')
  mkdirSync(certificates)
  const etcd = await createEtcd(join(folder, 'etcd'))
  const apiserver = await createKubeApiserver(
    certificates,
    etcd.url,
    [
      `--service-cluster-ip-range=${families.map(family => serviceCidrs[family]).join()}`,
      `--feature-gates=${featureGates.map(gate => `${gate}=true`).join()}`,
    ],
    controlAddress,
  )
  const api = createApi(apiserver)
  await etcd.start()
  await apiserver.start()
  await installObjects(api, apiserver, folder)
  const newerFields = await startNewerFields(apiserver.url, certificates)

  const agentKubeconfig = join(folder, 'agent.kubeconfig')
  writeKubeconfig(agentKubeconfig, {
    server: newerFields.url,
    caFile: apiserver.caFile,
    user: { token: await createToken(api) },
  })
  return {
    etcd,
    apiserver,
    api,
    agentKubeconfig,
    createNode: node => createNode(api, node),
    deleteNode: async ({ name }) => {
      await api.must('DELETE', `/api/v1/nodes/${name}`)
    },
    close: async () => {
      await newerFields.close()
      await api.close()
      await apiserver.crash()
      await etcd.crash()
    },
    tail: () => `${etcd.tail(1000)}\n${apiserver.tail(1500)}`,
  }
}

async function installObjects(api: Api, apiserver: KubeApiserver, folder: string): Promise<void> {
  const admin = join(folder, 'admin.kubeconfig')
  writeKubeconfig(admin, { server: apiserver.url, caFile: apiserver.caFile, user: { token: adminToken } })
  const kubectl = createKubectl(admin, folder)
  await kubectl('create', '-f', resolve(import.meta.dirname, '../endpoint-slice-crd.yaml'))
  // The namespace is the server's own doing, some moments after its start.
  await until('namespace kube-system exists', async () => {
    const { status } = await api.send('GET', '/api/v1/namespaces/kube-system')
    return status === 200 || undefined
  })
  await kubectl('create', '-f', resolve(import.meta.dirname, '../../../deploy/base/rbac.yaml'))
  await until('EndpointSlice v1 is served', async () => {
    const { status } = await api.send('GET', '/apis/discovery.k8s.io/v1/endpointslices')
    return status === 200 || undefined
  })
}

async function createNode(api: Api, { name, zone, addresses, podCidrs }: Node): Promise<void> {
  await api.must('POST', '/api/v1/nodes', {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: { 'kubernetes.io/hostname': name, 'topology.kubernetes.io/zone': zone } },
    spec: { podCIDR: podCidrs.IPv4, podCIDRs: families.map(family => podCidrs[family]) },
  })
  await api.must('PATCH', `/api/v1/nodes/${name}/status`, {
    status: {
      addresses: [
        ...families.map(family => ({ type: 'InternalIP', address: addresses[family] })),
        { type: 'Hostname', address: name },
      ],
    },
  })
}
