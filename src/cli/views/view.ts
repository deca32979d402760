/** What a view is: it is told entries, and says what is to be shown of them. It knows no terminal and no clock. */
import { type Entry, isEvent } from '../entries/entry.js'
import { jsonLine } from '../entries/ndjson.js'
import type { Layout } from '../output/text.js'

/** Lines, one below the other, as entries come. */
export interface Stream {
  /** What stands above the first line on a terminal. */
  header(layout: Layout): readonly string[]
  /** What an entry adds; nothing, perhaps. */
  add(entry: Entry, layout: Layout): readonly string[]
}

/** A screen that is shown anew from time to time. */
export interface Screenful {
  add(entry: Entry): void
  /** `nowNs` is on the clock of the entries. */
  frame(nowNs: number, layout: Layout & { readonly rows: number }): readonly string[]
  /** The same as an object. */
  toObject(nowNs: number): object
}

/** Something that happened, not one of those that were running before. */
export function isNews(entry: Entry): boolean {
  return !isEvent(entry) || entry.origin !== 'bootstrap'
}

/** Everything as JSON. */
export class JsonLines implements Stream {
  header(): readonly string[] {
    return []
  }

  add(entry: Entry): readonly string[] {
    return isNews(entry) ? [jsonLine(entry)] : []
  }
}
