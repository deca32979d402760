// The page of results: docs/kernels.md.

/** Returns the page of some kernels' results. */
export function page(results) {
  const ran = results.filter(({ skipped }) => !skipped)
  const names = [...new Set(ran.flatMap(({ checks }) => checks.map(({ check }) => check)))]
  const row = (cells) => `| ${cells.join(' | ')} |`
  const cell = (result, name) => {
    const found = result.checks.find(({ check }) => check === name)
    if (!found) return '-'
    const text = found.text.replaceAll('|', '/') + (found.commit ? ` (${found.commit})` : '')
    return found.ok ? text : `**failed:** ${text}`
  }
  return `# Other kernels

\`npm run kernels\` boots kernels of Debian's packages in QEMU, with four CPUs, and runs the package in them. The command
writes this page.

- **doctor** is the exit code of \`proc-events doctor\`: as root, as a user, and as a user with \`CAP_NET_ADMIN\`. 0: the process
  connector works. 3: it does not, for this reason.
- **user**, **pid** and **network namespace** are the errors of \`initialize()\` in such a namespace of its own.
- **priority** is \`stats().priority\`. **hidepid=2** is the exit code of doctor, and what it says of polling, with such a \`/proc\`.
- **cpuset** says of how many processes the arguments were read by a program that may use some of the CPUs only.
- **smoke** compares exit codes and signals with those that Node.js reports.
- **capture** says of how many \`/bin/true\`, and of how many static programs of three instructions, the arguments were read.
- **storm** compares with a listener without any library: execs and exits that the kernel sent, and that the package reported.
- **hotplug** says of how many processes the arguments were read, on CPUs that come and go. No event may be missing.
- **specs** are the tests of \`__test__/kernel\`, the same files as everywhere. With TCG they have smaller loads and more time.
  Those that need the speed of the hardware are left out. **reaped-code** is the exit code of a process that its parent has
  reaped, from its pidfd (Linux 6.15). **comm-write** is the report of a write to \`/proc/PID/comm\` (Linux 5.18).
- **run on** is the commit of the whole run. A check that was run again later has its own commit beside it.
- **TCG** is QEMU's translator, which is 20 to 50 times slower than the hardware. Rates of captures are lower there.

${row(['', ...ran.map(({ row: { name } }) => name)])}
${row(['---', ...ran.map(() => '---')])}
${row(['kernel', ...ran.map(({ release }) => release ?? 'did not boot')])}
${row(['processor, size of a page', ...ran.map(({ row: { arch }, pageKib }) => `${arch}, ${pageKib} KiB`)])}
${row(['run on', ...ran.map(({ date, commit }) => `${date}, ${commit}`)])}
${row(['by', ...ran.map(({ accel, seconds }) => `${accel.toUpperCase()}, ${Math.round(seconds / 60)} min`)])}
${names.map((name) => row([name, ...ran.map((result) => cell(result, name))])).join('\n')}
${results
  .filter(({ skipped }) => skipped)
  .map(({ row: { name }, skipped }) => `\nNot run: ${name} (${skipped}).`)
  .join('')}
`
}
