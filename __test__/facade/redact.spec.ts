/** The `redact` option, on a fake binding. It changes arguments before any subscriber gets them. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import test from 'ava'
import { child, loadFacade, settled } from '../support/fake/facade.ts'

test.serial('arguments are redacted once for all subscribers, and filters match the original', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  const given: unknown[] = []
  await monitor.initialize({
    redact: (argv, { name }) => {
      given.push([...argv, name])
      argv.length = 1
      return [...argv, '***']
    },
  })
  const published: unknown[] = []
  const publish = (message: unknown): void => void published.push(message)
  subscribe('proc-events:exec', publish)
  t.teardown(() => unsubscribe('proc-events:exec', publish))
  const seen: unknown[] = []
  const events = monitor.events({ types: ['exec'] })
  const note = (_: number, { process }: { process: { argv?: readonly string[] | null } }): void =>
    void seen.push(process.argv)
  monitor.subscribeExec((pid, event) => note(pid, event), { commandLine: 'psql -W secret' })
  monitor.subscribeExec((pid, event) => note(pid, event), { commandLine: /secret$/ })
  monitor.subscribeExec((pid, event) => note(pid, event), { commandLine: /\*/ })
  const process = { name: 'psql', argv: ['psql', '-W', 'secret'] }
  fake.source.push(r.exec(1, { process, truncated: true }))
  await settled(fake)
  t.deepEqual(given, [['psql', '-W', 'secret', 'psql']])
  t.deepEqual(seen, [
    ['psql', '***'],
    ['psql', '***'],
  ])
  t.deepEqual((await events.next()).value.process, { name: 'psql', argv: ['psql', '***'], argvTruncated: true })
  t.like(published[0] as object, { process: { argv: ['psql', '***'] } })
  // Three events have nothing to redact: arguments not requested, unreadable, or absent.
  given.length = 0
  for (const argv of [null, undefined]) fake.source.push(r.exec(2, { process: { name: 'x', argv } }))
  fake.source.push(r.exec(2))
  await settled(fake)
  t.deepEqual(given, [])
})

test('an exception or an invalid result of redact hides the arguments and is uncaught', async (t) => {
  const { code, stdout } = await child(`
    const out = []
    process.on('uncaughtException', (e) => out.push(e.message))
    const answers = [() => { throw new Error('mine') }, () => null, () => [1], () => 'x', () => Array(1), () => []]
    monitor.subscribeExec((pid, { process }) => out.push(process), { capture: ['argv'] })
    monitor.initialize({ redact: () => answers.shift()() }).then(() => {
      for (let pid = 1; pid <= 6; pid++) fake.source.push(r.exec(pid, { process: { name: 'x', argv: ['secret'] } }))
      setTimeout(() => { console.log(JSON.stringify(out)); process.exit() }, 50)
    })`)
  t.is(code, 0)
  const wrong = 'options.redact must return an array of strings'
  const hidden = { name: 'x', argv: null }
  const shown = { name: 'x', argv: [] }
  t.deepEqual(JSON.parse(stdout), [hidden, hidden, hidden, hidden, hidden, shown, 'mine', wrong, wrong, wrong, wrong])
})

test.serial('a redact option that is not a function is rejected', async (t) => {
  const { monitor } = loadFacade(t)
  const type = { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message: /^The "options\.redact" property/ }
  for (const redact of [null, 'x', {}]) await t.throwsAsync(monitor.initialize({ redact } as never), type)
})

test.serial('the redacted arguments are frozen, and the array of the function is not', async (t) => {
  const { monitor, fake, r } = loadFacade(t)
  const hidden = ['***']
  await monitor.initialize({ redact: () => hidden })
  const seen: (readonly string[] | null | undefined)[] = []
  monitor.subscribeExec((_, { process }) => seen.push(process.argv))
  fake.source.push(r.exec(1, { process: { argv: ['secret'] } }))
  await settled(fake)
  t.deepEqual(seen, [['***']])
  t.true(Object.isFrozen(seen[0]))
  hidden.push('later')
  t.deepEqual(seen, [['***']])
})
