/**
 * A bounded choice among many keys that does not depend on the order in which they came: those whose hashes are
 * smallest. A key that is in the choice at the end was in every choice before, so its count is complete; one that is
 * not has been counted with the rest, always or in the end. Pure.
 */
export interface Choice<V> {
  /** By the text of their keys. */
  readonly kept: readonly (readonly [string, V])[]
  readonly rest: readonly (readonly [string, V])[]
}

export function smallest<V>(entries: ReadonlyMap<string, V>, limit: number): Choice<V> {
  const all = [...entries]
  if (all.length <= limit) return { kept: all.toSorted(byKey), rest: [] }
  const ranked = all.map((entry) => ({ entry, rank: hash(entry[0]) }))
  ranked.sort((a, b) => a.rank - b.rank || byKey(a.entry, b.entry))
  const inOrder = ranked.map(({ entry }) => entry)
  return { kept: inOrder.slice(0, limit).sort(byKey), rest: inOrder.slice(limit) }
}

function byKey([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * FNV-1a, 32 bits. Stored sums depend on it, so it never changes; whoever makes up keys with small hashes displaces
 * details of failures of his own domain only.
 */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) {
    value = Math.imul(value ^ text.charCodeAt(at), 0x01000193)
  }
  return value >>> 0
}
