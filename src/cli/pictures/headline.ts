/** The line below the title of a picture: how many processes, how they ended, and what is missing. */
import type { Timeline } from '../../pictures/timeline.js'
import { formatElapsed, plural } from '../output/format.js'
import { statusOf } from '../../recording/words.js'

export function headline({ tree, outcome, startNs, endNs, hidden }: Timeline): string {
  const { exitCode, signal, lost } = outcome
  const isKnown = exitCode !== null || signal !== null
  return [
    plural(tree.processes, 'process', 'processes'),
    `${tree.failed} failed`,
    ...(tree.running > 0 ? [`${tree.running} still running`] : []),
    formatElapsed((endNs - startNs) / 1e6),
    ...(isKnown ? [signal === null ? `exit ${exitCode}` : statusOf(outcome)] : []),
    ...(hidden > 0 ? [`${hidden} not drawn`] : []),
    ...(tree.unlisted > 0
      ? [`of those after the first ${tree.processes - tree.unlisted}, only the number is known`]
      : []),
    ...(lost > 0 ? [`${plural(lost, 'event')} lost`] : []),
  ].join(' · ')
}
