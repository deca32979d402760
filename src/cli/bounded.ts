/** Maps that have an end: what they held longest goes first. */

/** Removes the oldest entries until there are `most`; `dropped` is given each. */
export function dropOldest<K, V>(map: Map<K, V>, most: number, dropped: (value: V) => void = () => {}): void {
  for (const [key, value] of map) {
    if (map.size <= most) return
    map.delete(key)
    dropped(value)
  }
}
