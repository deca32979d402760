/** The interface of a view: entries in, lines out. A view knows no terminal and no clock. */
import { type Entry, isEvent } from '../../recording/entry.js'
import { entryLine } from '../../recording/ndjson.js'
import type { Layout } from '../output/text.js'

/** A view that adds lines as entries arrive. */
export interface Stream {
  /** The lines above the first line on a terminal. */
  header(layout: Layout): readonly string[]
  /** Returns the lines that an entry adds, if any. */
  add(entry: Entry, layout: Layout): readonly string[]
}

/** A view that redraws a screen. */
export interface Screenful {
  add(entry: Entry): void
  /** `nowNs` is on the clock of the entries. */
  frame(nowNs: number, layout: Layout & { readonly rows: number }): readonly string[]
  /** Returns the screen as an object. */
  toObject(nowNs: number): object
}

/** Returns true for entries of live events, false for those of the bootstrap scan. */
export function isNews(entry: Entry): boolean {
  return !isEvent(entry) || entry.origin !== 'bootstrap'
}

/** Shows every entry as JSON. */
export class JsonLines implements Stream {
  header(): readonly string[] {
    return []
  }

  add(entry: Entry): readonly string[] {
    return isNews(entry) ? [entryLine(entry)] : []
  }
}
