// Counts what the parts have checked.

import { say } from '../step.mjs'
import { endAll } from './programs.mjs'

/** Thrown by a part that cannot run here. */
export class Skip extends Error {}

export class Report {
  passed = 0
  failed = 0
  skipped = 0

  /** Runs a part. A part that throws has failed. Its processes are ended in any case. */
  async part(name, run) {
    say(`\n${name}`)
    try {
      await run({
        /** Counts a check. The detail has the figures. */
        check: (title, isRight, detail = '') => {
          this[isRight ? 'passed' : 'failed']++
          say(`  ${isRight ? 'passed' : 'FAILED'}  ${title}${detail === '' ? '' : `: ${detail}`}`)
          return isRight
        },
        figure: (title, value) => say(`          ${title}: ${value}`),
        skip: (title, reason) => {
          this.skipped++
          say(`  skipped ${title}: ${reason}`)
        },
      })
    } catch (error) {
      if (error instanceof Skip) {
        this.skipped++
        say(`  skipped ${error.message}`)
      } else {
        this.failed++
        say(`  FAILED  ${error.stack}`)
      }
    } finally {
      await endAll()
    }
  }

  summary() {
    return `${this.passed} passed, ${this.failed} failed, ${this.skipped} skipped`
  }
}
