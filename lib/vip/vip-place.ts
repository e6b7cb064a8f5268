// Where VIPs are put: the node's own network, or a namespace behind it. A place knows how to make addresses local and
// how to find again what it has made, after a crash too; which addresses there should be is decided above.

/** A VIP as it is, or should be: canonical, of either family. */
export interface PlacedVip {
  readonly ip: string
  /** The source that the node's own processes have towards it; null: whatever the kernel chooses. */
  readonly source: string | null
}

export interface VipPlace {
  /** The path of the network namespace that has the VIPs; null: they are in the node's own network. */
  readonly namespace: string | null
  /**
   * Makes what is needed besides addresses, or finds it as an earlier agent left it. May be called again, to mend it.
   * @throws VIP with the cause and a remedy, where the system doesn't let us.
   */
  open(): Promise<void>
  /** What is there and ours. Before `open`, too: what a crash has left. */
  list(): Promise<readonly PlacedVip[]>
  /**
   * Makes them local, or changes their source. Returns why for each that isn't local afterwards. One that somebody else
   * has made local stays theirs, and is told as failed.
   */
  add(vips: readonly PlacedVip[]): Promise<ReadonlyMap<string, string>>
  /** Takes ours away, and nothing else. One that is gone already is no error. */
  remove(ips: readonly string[]): Promise<void>
  /** The addresses with established TCP connections, ours and others. */
  inUse(): Promise<ReadonlySet<string>>
  /** Removes everything that is ours, what `open` has made included. */
  clear(): Promise<void>
}
