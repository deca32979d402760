/** The comments in `index.d.ts` in the form that editors show. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { root } from '../support/fake/facade.ts'

const declarations = readFileSync(join(root, 'index.d.ts'), 'utf8')

/** Returns the comment ahead of a declaration. */
function commentOf(declaration: string): string {
  const at = declarations.indexOf(declaration)
  if (at < 0) throw new Error(`${declaration} is not declared`)
  return declarations.slice(declarations.lastIndexOf('/**', at), at)
}

test('no @throws begins with a brace', (t) => {
  // TypeScript parses the brace as a type. Editors then show `{`, and the link as a tag of its own.
  t.deepEqual(declarations.match(/@throws \{.*/g), null)
  t.regex(commentOf('subscribe<'), /@throws a \{@link ProcessMonitorError\} `ERR_CALLBACK_REGISTERED`/)
})

test('the comments of subscriptions name initialize() and the bootstrap events', (t) => {
  for (const method of ['subscribeExec<', 'subscribe<', 'events<']) {
    t.regex(commentOf(method), /before \{@link ProcessMonitor\.initialize\} is called/, method)
    t.regex(commentOf(method), /`origin: 'bootstrap'`/, method)
  }
})
