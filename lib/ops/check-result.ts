// What one check of `kube-relay check` has found.

export interface CheckResult {
  readonly name: string
  /** `warn`: it runs, with the drawback that is told. `fail`: it can't do its job. */
  readonly verdict: 'ok' | 'warn' | 'fail'
  readonly found: string
  /** What mends it: a command, where one does. */
  readonly remedy?: string
}
