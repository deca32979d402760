// The units of examples/systemd in a container with systemd as its first process: installed, started, killed, restarted.
// The kernel does not report processes to a container with pids of its own. So the agent ends with 3 there, and a drop-in lets
// it look at /proc instead.

import { chmodSync, copyFileSync, existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../../toolchain.mjs'
import { LONG } from '../load.mjs'
import { Program, run as runProgram, until } from '../programs.mjs'
import { Skip } from '../report.mjs'

export async function run({ check, figure }, tools) {
  if (process.getuid() !== 0) throw new Skip('systemd: root is needed')
  const nspawn = tools.debian('systemd-nspawn', 'systemd-container')
  const page = join(tools.prefix, 'share', 'man', 'man1', 'proc-events.1')
  check('npm install --global links the manual page', existsSync(page))

  const machine = `proc-events-${process.pid}`
  const folder = tools.folder('systemd')
  const config = join(folder, 'config')
  mkdirSync(config)
  writeFileSync(join(config, 'environment'), 'OTLP_ENDPOINT=127.0.0.1:9\nOTLP_INSECURE=true\n')
  copyFileSync(join(root, 'examples', 'opentelemetry-collector', 'journald.yaml'), join(config, 'config.yaml'))
  // The container has /usr of this machine, read-only, and nothing else of it.
  const units = join(folder, 'units')
  mkdirSync(join(units, 'proc-events.service.d'), { recursive: true })
  for (const unit of ['proc-events.service', 'otelcol.service'])
    copyFileSync(join(root, 'examples', 'systemd', unit), join(units, unit))
  const bin = join(folder, 'bin')
  mkdirSync(bin)
  symlinkSync(join(root, 'dist', 'src', 'cli', 'main.js'), join(bin, 'proc-events'))
  symlinkSync(process.execPath, join(bin, 'node'))
  copyFileSync(tools.collector, join(bin, 'otelcol-contrib'))
  chmodSync(folder, 0o755)
  const args = [
    '--quiet',
    '--boot',
    '--directory=/',
    '--volatile=yes',
    '--register=no',
    '--keep-unit',
    '--settings=no',
    '--link-journal=no',
    '--resolv-conf=off',
    '--timezone=off',
    `--machine=${machine}`,
    `--bind-ro=${units}:/etc/systemd/system`,
    `--bind-ro=${join(root, 'examples', 'systemd', 'journald@proc-events.conf')}:/etc/systemd/journald@proc-events.conf`,
    `--bind-ro=${config}:/etc/otelcol`,
    // Where systemd looks for programs first.
    `--bind-ro=${bin}:/usr/local/sbin`,
    `--bind-ro=${root}`,
    '--bind-ro=/etc/hosts',
    '--console=pipe',
    '--private-network',
    'systemd.unit=multi-user.target',
  ]
  const container = new Program(nspawn, args, { env: { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: '1' } })
  const leader = () => {
    if (!container.isRunning) throw new Error(`the container has ended: ${container.text}`)
    const text = readFileSync(`/proc/${container.pid}/task/${container.pid}/children`, 'utf8').trim().split(' ')
    return text.find((pid) => pid !== '' && readFileSync(`/proc/${pid}/comm`, 'utf8').trim() === 'systemd')
  }
  await until('systemd runs', () => leader() !== undefined)
  const inside = (...words) =>
    runProgram('nsenter', [
      '--target',
      leader(),
      '--mount',
      '--uts',
      '--ipc',
      '--net',
      '--pid',
      '--cgroup',
      '--root',
      '--wd',
      ...words,
    ])
  const systemctl = (...words) => inside('systemctl', ...words)
  const property = async (unit, name) => (await systemctl('show', '--value', `--property=${name}`, unit)).text.trim()
  await until(
    'systemd has started',
    async () => /running|degraded/.test((await systemctl('is-system-running')).text),
    60,
  )

  // nspawn mounts a boot id of its own over that of the machine. A unit with a /proc of its own would see the other one, and
  // journalctl selects lines by it.
  await inside('umount', '--all-targets', '/proc/sys/kernel/random/boot_id')
  await inside('umount', '/proc/sys/kernel/random/boot_id')

  await systemctl('start', 'proc-events')
  await until('the agent has ended', async () => (await property('proc-events', 'ActiveState')) === 'failed')
  const [status, restarts] = [
    await property('proc-events', 'ExecMainStatus'),
    await property('proc-events', 'NRestarts'),
  ]
  check('not supported: exit code 3, and no restart', status === '3' && restarts === '0', `exit code ${status}`)

  const drop = join(units, 'proc-events.service.d', 'source.conf')
  writeFileSync(drop, '[Service]\nExecStart=\nExecStart=proc-events --json --events exit --redact --source polling\n')
  await systemctl('daemon-reload')
  await systemctl('reset-failed', 'proc-events')
  const started = await systemctl('start', 'proc-events')
  const journal = async () =>
    (await inside('journalctl', '--namespace=proc-events', '--unit=proc-events', '--output=cat', '--quiet')).text
  const has = async (words) => (await journal()).includes(words)
  const marker = async (seconds) => {
    await inside('sleep', String(seconds))
    return has(`"argv":["sleep","${seconds}"]`)
  }
  await until('events are in the journal', () => marker('1.01'))
  const state = await property('proc-events', 'ActiveState')
  check('the agent writes to a journal of its own', state === 'active', started.text.trim())
  await until('a command with a secret is in the journal', async () => {
    await inside('sh', '-c', 'sleep 1', 'sh', '--password=geheim')
    return has('"--password=')
  })
  check('arguments are redacted', !(await has('geheim')))
  await until('long arguments are in the journal', async () => {
    await inside('sh', '-c', 'sleep 1', 'sh', 'x'.repeat(LONG))
    return has('xxxxxxxx')
  })
  check('a long line is whole in the journal', await has(`"${'x'.repeat(LONG)}"`))
  const common = await inside('journalctl', '--unit=proc-events', '--output=cat', '--quiet')
  check('the common journal has none of its lines', !common.text.includes('"type":"exit"'))
  const user = await property('proc-events', 'User')
  const pid = await property('proc-events', 'MainPID')
  const rights = (await inside('cat', `/proc/${pid}/status`)).text
  const isBare = /^CapEff:\s+0+$/m.test(rights) && /^NoNewPrivs:\s+1$/m.test(rights) && !/^Uid:\s+0\b/m.test(rights)
  check('it has no capability, and is not root', isBare, `user ${user || 'dynamic'}`)

  await inside('kill', '-KILL', pid)
  await until('it is restarted', async () => Number(await property('proc-events', 'NRestarts')) === 1)
  await until('it is active', async () => (await property('proc-events', 'ActiveState')) === 'active')
  await until('events are in the journal', () => marker('1.02'))
  check('killed: restarted, and events go on', true)

  await systemctl('restart', 'systemd-journald@proc-events.service')
  await until('events are in the journal', () => marker('1.03'))
  check('journald is restarted: the agent goes on', (await property('proc-events', 'NRestarts')) === '1')

  // The collector cannot send anything here. It reads, and keeps the events on disk.
  const collector = await systemctl('start', 'otelcol')
  const kept = async () => (await inside('sh', '-c', 'cat /var/lib/private/otelcol/* | wc -c')).text.trim()
  await until('the collector keeps events', async () => Number(await kept()) > 200_000).catch(() => {})
  const isKept = (await inside('sh', '-c', "grep -c 'proc_events.exit' /var/lib/private/otelcol/exporter*")).text.trim()
  const why = (await inside('journalctl', '--unit=otelcol', '--output=cat', '--lines=3')).text
  check(
    'the collector reads that journal, and keeps events on disk',
    Number(isKept) > 0,
    `${await kept()} bytes ${collector.text} ${Number(isKept) > 0 ? '' : why}`,
  )

  writeFileSync(drop, '[Service]\nExecStart=\nExecStart=proc-events --no-such-option\n')
  await systemctl('daemon-reload')
  await systemctl('restart', 'proc-events')
  await until('the agent has ended', async () => (await property('proc-events', 'ActiveState')) === 'failed')
  const wrong = await property('proc-events', 'ExecMainStatus')
  check('wrong usage: exit code 2, and no restart', wrong === '2', `exit code ${wrong}`)
  figure('systemd', (await inside('systemctl', '--version')).text.split('\n')[0])
  await container.end('SIGTERM', 10)
}
