// kubectl, as the cluster's administrator. Its cache of the API's types is kept beside the kubeconfig, so that one
// test's server is never mistaken for another's.

import { join } from 'node:path'
import { outcomeOf, run, startChild, type Child, type Outcome, type RunOptions } from './child.ts'

export interface Kubectl {
  /** Runs kubectl with these arguments and resolves to what it printed; rejects if it failed. */
  (...args: readonly string[]): Promise<string>
  /** The same with an input or an environment; resolves however it ends. */
  outcome(args: readonly string[], options?: RunOptions): Promise<Outcome>
  /** Starts a kubectl that goes on until it is closed, such as `get --watch`. */
  start(...args: readonly string[]): Promise<Child>
  /** `kubectl create -f -` with these objects. */
  create(...objects: readonly object[]): Promise<string>
  /**
   * `kubectl replace -f -` with these objects. Not `apply`: since 1.21 kubectl knows EndpointSlice v1 as a built-in
   * type and sends a strategic merge patch, which a custom resource doesn't take.
   */
  replace(...objects: readonly object[]): Promise<string>
}

/** A kubectl that uses the kubeconfig, and a folder for its cache. */
export function createKubectl(kubeconfig: string, folder: string, program = 'kubectl'): Kubectl {
  const common = ['--kubeconfig', kubeconfig, '--cache-dir', join(folder, `${program}-cache`)]
  const withInput = (input: string | undefined, args: readonly string[]): Promise<string> =>
    run(program, [...common, ...args], input === undefined ? {} : { input })
  const list = (items: readonly object[]): string => JSON.stringify({ apiVersion: 'v1', kind: 'List', items })

  return Object.assign((...args: readonly string[]) => withInput(undefined, args), {
    outcome: (args: readonly string[], options?: RunOptions) =>
      outcomeOf(program, [...common, ...args], options),
    start: (...args: readonly string[]) =>
      startChild({ name: program, command: program, args: [...common, ...args] }),
    create: (...objects: readonly object[]) => withInput(list(objects), ['create', '-f', '-']),
    replace: (...objects: readonly object[]) => withInput(list(objects), ['replace', '-f', '-']),
  })
}

export interface KubectlProgram {
  readonly program: string
  /** "v1.36.4" */
  readonly version: string
  readonly minor: number
}

/** The oldest and the newest kubectl that test/e2e/install provides; the machine's own where the newest is missing. */
export async function kubectlPrograms(): Promise<readonly [oldest: KubectlProgram, newest: KubectlProgram]> {
  const newest = await programNamed('kubectl-newest').catch(() => programNamed('kubectl'))
  return [await programNamed('kubectl-1.20'), newest]
}

async function programNamed(program: string): Promise<KubectlProgram> {
  const { clientVersion } = JSON.parse(await run(program, ['version', '--client', '-o', 'json'])) as {
    readonly clientVersion: { readonly gitVersion: string }
  }
  const version = clientVersion.gitVersion
  return { program, version, minor: Number(/^v1\.(\d+)/.exec(version)?.[1]) }
}
