// kubectl, as the cluster's administrator.

import { join } from 'node:path'
import { run } from './child.ts'

export interface Kubectl {
  /** Runs kubectl with these arguments and resolves to what it printed; rejects if it failed. */
  (...args: readonly string[]): Promise<string>
  /** `kubectl create -f -` with these objects. */
  create(...objects: readonly object[]): Promise<string>
  /**
   * `kubectl replace -f -` with these objects. Not `apply`: since 1.21 kubectl knows EndpointSlice v1 as a built-in
   * type and sends a strategic merge patch, which a custom resource doesn't take.
   */
  replace(...objects: readonly object[]): Promise<string>
}

/** A kubectl that uses the kubeconfig, and keeps its cache of the API's types beside it. */
export function createKubectl(kubeconfig: string, folder: string): Kubectl {
  const common = ['--kubeconfig', kubeconfig, '--cache-dir', join(folder, 'kubectl-cache')]
  const withInput = (input: string | undefined, args: readonly string[]): Promise<string> =>
    run('kubectl', [...common, ...args], input === undefined ? {} : { input })
  const list = (items: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items })

  return Object.assign((...args: readonly string[]) => withInput(undefined, args), {
    create: (...objects: readonly object[]) => withInput(list(objects), ['create', '-f', '-']),
    replace: (...objects: readonly object[]) => withInput(list(objects), ['replace', '-f', '-']),
  })
}
