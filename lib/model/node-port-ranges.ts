// What --nodeport-addresses and nodePortAddresses say: ranges of node addresses, and kube-proxy's words for some.

import { readCidr, type Cidr } from './cidr.ts'
import { closest } from './closest.ts'

/** `primary`: the node's own address of each IP family, which only its Node object tells. */
export type NodePortRange = Cidr | 'primary'

const words: Readonly<Record<string, readonly string[]>> = {
  all: ['0.0.0.0/0', '::/0'],
  localhost: ['127.0.0.0/8', '::1/128'],
}

/** For messages: "must be …". */
export const nodePortRangeExample = 'a CIDR such as 10.0.0.0/8, or primary, all or localhost'

/** The ranges of one entry of the list; null if it is neither a CIDR nor one of kube-proxy's words. */
export function readNodePortRanges(entry: string): readonly NodePortRange[] | null {
  const text = entry.trim()
  if (text === 'primary') return ['primary']
  const cidrs = Object.hasOwn(words, text) ? (words[text] ?? []) : [text]
  const ranges = cidrs.map(readCidr).filter(cidr => cidr !== null)
  return ranges.length === 0 ? null : ranges
}

/** "…, did you mean primary?" for an entry that can't be read; "" if it resembles nothing. */
export function nodePortRangeHint(entry: string): string {
  const guess = closest(entry.trim(), ['primary', ...Object.keys(words)])
  return guess === undefined ? '' : `, did you mean ${guess}?`
}
