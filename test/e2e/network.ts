// The network of a test cluster. The test process itself is on the node: the node's addresses and the service
// range are on its loopback device, and the pods' addresses are in a namespace behind a veth pair.

import { run } from './child.ts'

/** The node's own address, as its Node object says. */
export const nodeAddress = '10.89.0.1'
/** The whole range is local (AnyIP), so kube-relay can bind every ClusterIP with `--vip-mode none`. */
export const serviceRange = '10.96.0.0/16'
export const podRange = '10.244.1.0/24'
const podGateway = '10.244.1.1'

/** The namespace that holds all pods of the node, each with an address of its own. */
export const podNamespace = 'pods'

const ip = (...args: readonly string[]): Promise<string> => run('ip', args)

/** Makes the network, replacing what an earlier test file of the same run may have left. */
export async function createNetwork(): Promise<void> {
  await removeNetwork()
  await ip('address', 'replace', `${nodeAddress}/32`, 'dev', 'lo')
  await ip('route', 'replace', 'local', serviceRange, 'dev', 'lo')
  await ip('netns', 'add', podNamespace)
  await ip('link', 'add', 'pods0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', podNamespace)
  await ip('address', 'add', `${podGateway}/24`, 'dev', 'pods0')
  await ip('link', 'set', 'pods0', 'up')
  await ip('-n', podNamespace, 'link', 'set', 'lo', 'up')
  await ip('-n', podNamespace, 'link', 'set', 'eth0', 'up')
  await ip('-n', podNamespace, 'route', 'add', 'default', 'dev', 'eth0')
}

/** Takes the pods' namespace and its link away. */
export async function removeNetwork(): Promise<void> {
  // The link by its name: a namespace lives on, with its link, while a process in it does.
  await ip('link', 'delete', 'pods0').catch(() => {})
  await ip('netns', 'delete', podNamespace).catch(() => {})
}

/** Gives a pod's address to the pods' namespace. */
export async function addPodAddress(address: string): Promise<void> {
  await ip('-n', podNamespace, 'address', 'replace', `${address}/24`, 'dev', 'eth0')
}

/** Takes it away: from now on a connection to it gets no answer, as with a node that died. */
export async function removePodAddress(address: string): Promise<void> {
  await ip('-n', podNamespace, 'address', 'delete', `${address}/24`, 'dev', 'eth0').catch(() => {})
}
