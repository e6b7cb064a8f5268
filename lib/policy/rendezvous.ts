// Rendezvous hashing (Thaler and Ravishankar, 1998): everyone who knows the same candidates chooses the same one for a
// key, without asking anyone. When a candidate goes, only its own keys move; when one comes, it takes an even share.

/** A 32-bit hash of a short text (FNV-1a), to be mixed by `weight`. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return hash >>> 0
}

/** What a candidate weighs for a key; the heaviest is chosen. Both are hashes. */
export function weight(key: number, candidate: number): number {
  // MurmurHash3's finalizer: neighbouring inputs, such as addresses in a row, give unrelated results.
  let mixed = key ^ Math.imul(candidate, 0x9e3779b1)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
