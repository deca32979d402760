/** Maps of bounded size. The oldest entries are removed first. */

/**
 * Removes the oldest entries of a map that has more than `most`; `dropped` is given each. An eighth goes at once, because
 * a map takes long to find its first entry behind removed ones.
 */
export function dropOldest<K, V>(map: Map<K, V>, most: number, dropped: (value: V) => void = () => {}): void {
  if (map.size <= most) return
  const left = Math.ceil((most * 7) / 8)
  for (const [key, value] of map) {
    if (map.size <= left) return
    map.delete(key)
    dropped(value)
  }
}
