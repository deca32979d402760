// Counts what the parts have checked.

import { say } from '../step.mjs'
import { endAll } from './programs.mjs'

/** Thrown by a part that cannot run here. */
export class Skip extends Error {}

export class Report {
  /** By part: the rows of the table of results, and the checks without a row. */
  parts = {}

  /** `cases`: texts of which a case's title has to contain one. `keep` is called with all results after each new one. */
  constructor(cases, keep) {
    this.cases = cases
    this.keep = keep
  }

  passed = 0
  failed = 0
  skipped = 0

  /** Runs a part. A part that throws has failed. Its processes are ended in any case. */
  async part(name, run) {
    say(`\n${name}`)
    const { rows, checks } = (this.parts[name] = { rows: [], checks: [] })
    try {
      await run({
        /** Counts a check. The detail has the figures. */
        check: (title, isRight, detail = '') => {
          this[isRight ? 'passed' : 'failed']++
          if (!rows.some((row) => row.title === title)) checks.push({ title, isRight, detail })
          this.keep(this.parts)
          say(`  ${isRight ? 'passed' : 'FAILED'}  ${title}${detail === '' ? '' : `: ${detail}`}`)
          return isRight
        },
        isWanted: (title) => this.cases.length === 0 || this.cases.some((text) => title.includes(text)),
        row: (row) => {
          rows.push(row)
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
