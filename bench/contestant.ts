// What is measured: a program that takes connections and brings them to a server. Each is configured alike (threads,
// noDelay, keep-alive, backlog), so that what differs is the program.

import type { Address } from '../lib/model/address.ts'

/** One address in front, and where its connections go. */
export interface Route {
  readonly protocol: 'TCP' | 'UDP'
  readonly listen: Address
  readonly server: Address
}

/** A file that a contestant is started with, as `--show-config` shows it. */
export interface ConfigFile {
  readonly name: string
  readonly text: string
}

export interface Setup {
  readonly routes: readonly Route[]
  /** Threads or processes that may proxy; 1 unless the user says otherwise. */
  readonly threads: number
}

/** A contestant that proxies. */
export interface RunningContestant {
  /** Where clients connect to, in the order of the routes. */
  readonly listens: readonly Address[]
  /** Every process of it, for CPU time and memory; asked anew each time, as workers come and go. */
  pids(): readonly number[]
  /** Of those, the ones that steer and never see a client's bytes, as an agent does; absent: all of them proxy. */
  steering?(): readonly number[]
  /** What it wrote last, for the case that it fails. */
  tail(): string
  /** Rejects with the reason when it ends by itself. */
  readonly ended: Promise<never>
  /** Ends it and all of its processes. May be called twice. */
  stop(): Promise<void>
}

export interface Contestant {
  /** As in `--contestants`: "direct", "pipe", "kube-relay", "haproxy", … */
  readonly name: string
  /** What it is, in a line. */
  readonly describe: string
  /** The scenarios that it can't take part in, with the reason. */
  readonly excused: Readonly<Record<string, string>>
  /** null: it is here, with this version; else how to get it, as "apt install haproxy". */
  find(): Promise<{ readonly version: string } | { readonly missing: string }>
  /** What it would be started with. */
  config(setup: Setup): readonly ConfigFile[]
  /** Resolves when every route accepts. @throws BENCH with what it said, and the remedy. */
  start(setup: Setup): Promise<RunningContestant>
}
