/** Ranges of a text that are hidden. */

export const REDACTED = '[redacted]'

/** The first position of a range, and the one after its last. */
export type Span = readonly [start: number, end: number]

/** Returns the text with each range replaced. Ranges that overlap or touch are replaced as one. */
export function hideSpans(text: string, spans: readonly Span[]): string {
  if (spans.length === 0) return text
  let shown = ''
  let copied = 0
  let hiddenTo = -1
  for (const [start, end] of spans.toSorted((a, b) => a[0] - b[0])) {
    if (start >= end) continue
    if (start > hiddenTo) {
      shown += text.slice(copied, start) + REDACTED
      hiddenTo = end
    }
    hiddenTo = Math.max(hiddenTo, end)
    copied = hiddenTo
  }
  return shown + text.slice(copied)
}
