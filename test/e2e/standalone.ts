// `kube-relay dev` under test: the embedded control plane with sample pods, as its own process, and kubectl in front
// of it. Everything is on loopback addresses of the run's own network namespace.

import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Test } from 'tap'
import { startChild } from './child.ts'
import { writeAnonymousKubeconfig } from './kubeconfig.ts'
import { createKubectl, type Kubectl } from './kubectl.ts'
import { freePort, requireSandbox, temporaryFolder } from './sandbox.ts'
import { until } from './until.ts'

export interface Standalone {
  /** "http://127.0.0.1:PORT" */
  readonly url: string
  /** A folder for the test's files, gone after it. */
  readonly folder: string
  /** A kubectl for this server. */
  kubectl(program: string): Kubectl
}

/**
 * Starts it without any manifest and resolves once the API answers. It ends with the test, which shows the newest of
 * its log if it failed.
 */
export async function startStandalone(t: Test, flags: readonly string[] = []): Promise<Standalone> {
  requireSandbox()
  const temporary = temporaryFolder('standalone')
  const folder = temporary.path
  const manifests = join(folder, 'manifests')
  mkdirSync(manifests)
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = await startChild({
    name: 'kube-relay dev',
    command: process.execPath,
    args: [
      resolve(import.meta.dirname, '../../cmd/kube-relay.ts'),
      'dev',
      `--manifests=${manifests}`,
      `--api-bind-address=127.0.0.1:${port}`,
      '--log-level=info',
      '--log-format=text',
      ...flags,
    ],
  })
  t.teardown(async () => {
    await child.close()
    if (!t.passing()) t.comment(child.tail())
    temporary.remove()
  })
  await until(
    'the embedded API server answers',
    async () => ((await fetch(`${url}/readyz`)).ok ? true : undefined),
    { hopeless: () => child.ended(), detail: () => child.tail() },
  )
  const kubeconfig = writeAnonymousKubeconfig(folder, url)
  return { url, folder, kubectl: program => createKubectl(kubeconfig, folder, program) }
}
