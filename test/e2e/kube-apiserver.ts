// One real kube-apiserver, on loopback unless told otherwise. It can be killed without warning and started again, on
// the same port, data and certificate; or a second one on another port, for changes that clients of the first don't
// see.

import { generateKeyPairSync } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Agent, request } from 'undici'
import { startChild, type Child } from './child.ts'
import { nodeAddress, serviceRange } from './network.ts'
import { freePort } from './sandbox.ts'
import { until } from './until.ts'

/** The token of a user that may do everything, for the tests themselves. */
export const adminToken = 'admin-token-of-the-end-to-end-tests'

/** The service account issuer, as it stands in tokens. */
const issuer = 'https://kube-relay.test'

export interface KubeApiserver {
  readonly url: string
  /** A PEM bundle that the server's certificate verifies against. */
  readonly caFile: string
  /** One line of JSON for each request of a service account. */
  readonly auditFile: string
  /** Starts it (again) and resolves once /readyz says ok. */
  start(): Promise<void>
  /** SIGKILL; resolves when it is gone. */
  crash(): Promise<void>
  tail(limit?: number): string
}

/**
 * A kube-apiserver over the etcd at `etcdUrl`, with its files in `folder`; not started yet. Servers that are given
 * the same folder are one control plane: same keys, same certificate.
 */
export async function createKubeApiserver(
  folder: string,
  etcdUrl: string,
  flags: readonly string[] = [],
  address = '127.0.0.1',
): Promise<KubeApiserver> {
  const port = await freePort()
  const url = `https://${address}:${port}`
  const file = (name: string): string => join(folder, name)
  writeFilesOnce(file)
  let child: Child | undefined

  const ready = async (): Promise<true | undefined> => {
    const agent = new Agent({ connect: { ca: readFileSync(file('apiserver.crt')) } })
    try {
      const headers = { authorization: `Bearer ${adminToken}` }
      const { statusCode, body } = await request(`${url}/readyz`, { dispatcher: agent, headers })
      await body.dump()
      return statusCode === 200 || undefined
    } finally {
      await agent.destroy()
    }
  }
  return {
    url,
    // A self-signed server certificate and the certificate authority that signed it, in one file.
    caFile: file('apiserver.crt'),
    auditFile: file('audit.log'),
    start: async () => {
      child = await startChild({
        name: 'kube-apiserver',
        command: process.env['KUBE_RELAY_E2E_KUBE_APISERVER'] ?? 'kube-apiserver',
        args: [
          `--etcd-servers=${etcdUrl}`,
          `--cert-dir=${folder}`,
          `--secure-port=${port}`,
          `--bind-address=${address}`,
          // Without it the server looks for a default route, and this network has none.
          `--advertise-address=${nodeAddress}`,
          `--service-cluster-ip-range=${serviceRange}`,
          `--service-account-issuer=${issuer}`,
          `--service-account-key-file=${file('service-account.pub')}`,
          `--service-account-signing-key-file=${file('service-account.key')}`,
          `--token-auth-file=${file('tokens.csv')}`,
          '--authorization-mode=RBAC',
          // The custom resource that serves v1 takes the group's place.
          '--runtime-config=discovery.k8s.io/v1beta1=false',
          `--audit-policy-file=${file('audit-policy.yaml')}`,
          `--audit-log-path=${file('audit.log')}`,
          '--audit-log-mode=blocking',
          ...flags,
        ],
      })
      const started = child
      await until('kube-apiserver is ready', ready, {
        deadlineMs: 180_000,
        hopeless: () => started.ended(),
        detail: () => started.tail(),
      })
    },
    crash: async () => {
      await child?.kill('SIGKILL')
    },
    tail: limit => child?.tail(limit) ?? 'kube-apiserver: not started',
  }
}

function writeFilesOnce(file: (name: string) => string): void {
  if (existsSync(file('tokens.csv'))) return
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(file('service-account.key'), privateKey.export({ type: 'pkcs1', format: 'pem' }))
  writeFileSync(file('service-account.pub'), publicKey.export({ type: 'spki', format: 'pem' }))
  writeFileSync(file('tokens.csv'), `${adminToken},admin,admin,system:masters\n`)
  const auditPolicy = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    rules: [{ level: 'Metadata', userGroups: ['system:serviceaccounts'] }, { level: 'None' }],
  }
  writeFileSync(file('audit-policy.yaml'), JSON.stringify(auditPolicy))
}
