/** Generates --help from the table of options: 24 lines by 80 columns at most for each command. */
import { EXIT_CODES } from '../exit-codes.js'
import { COMMANDS, type Command, type Option, optionsOf, spelling } from '../flags/options.js'
import { wrap } from '../output/text.js'

const WIDTH = 80
/** Longer options push their text to the right. */
const LONG = 23

export function help(about: Command = COMMANDS[0]!): string {
  const isMain = about.name === ''
  const usage = isMain
    ? table(COMMANDS.map((command): Row => [`proc-events ${synopsis(command)}`, command.brief]))
    : [`  proc-events ${synopsis(about)}`, '', ...wrap(about.text, WIDTH)]
  return [
    'Usage:',
    ...usage,
    ...(isMain ? [] : ['']),
    'Options:',
    ...table(optionRows(optionsOf(about)), LONG),
    ...(isMain ? [`Exit codes: ${codes()}. More: man proc-events`] : []),
    '',
  ].join('\n')
}

type Row = readonly [left: string, right: string]

function synopsis({ name, operands }: Command): string {
  return name === '' ? operands : `${name} ${operands}`
}

/** Consecutive options with the same text share a row. */
function optionRows(options: readonly Option[]): Row[] {
  const rows: { options: Option[]; brief: string }[] = []
  for (const option of options) {
    const last = rows.at(-1)
    if (last?.brief === option.brief) last.options.push(option)
    else rows.push({ options: [option], brief: option.brief })
  }
  return rows.map(({ options: shared, brief }) => {
    const [first] = shared
    const hasOneValue = shared.length > 1 && shared.every(({ value }) => value === first!.value)
    const words = shared.map((option) => spelling(hasOneValue ? { ...option, value: '' } : option))
    return [words.join(', ') + (hasOneValue && first!.value ? ` ${first!.value}` : ''), brief]
  })
}

function codes(): string {
  return Object.values(EXIT_CODES)
    .map(({ code, brief }) => `${code} ${brief}`)
    .join(', ')
}

/** Formats rows. A left side beyond the limit pushes its text to the right. */
function table(rows: readonly Row[], limit: number = Infinity): string[] {
  const width = Math.max(...rows.map(([left]) => left.length).filter((length) => length <= limit))
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`)
}
