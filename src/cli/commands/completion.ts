/** Generates shell completions from the table of options. */
import {
  ALL_EVENTS,
  COMMANDS,
  type Command,
  OPTIONS,
  type Option,
  SHELLS,
  type ValueKind,
  optionsOf,
} from '../flags/options.js'

export function completion(shell: (typeof SHELLS)[number]): string {
  return { bash, zsh, fish }[shell]()
}

const NAMED: readonly Command[] = COMMANDS.filter(({ name }) => name !== '')
const MAIN: Command = COMMANDS[0]!
const LIST_OPTION = 'events'

/** The kind of the operands of a command; null if it has none. */
function operandKind({ name }: Command): ValueKind | 'command' | null {
  if (name === 'run') return 'command'
  if (name === 'wait') return 'pid'
  return name === 'completion' ? SHELLS : null
}

function flags(option: Option): string[] {
  return [...(option.short === undefined ? [] : [`-${option.short}`]), `--${option.name}`]
}

function bash(): string {
  const words = (command: Command): string => optionsOf(command).flatMap(flags).join(' ')
  const values = optionsWithValues().map(
    (option) => `    ${flags(option).join('|')}) ${bashValues(option.kind ?? 'text', option.name)} return ;;`,
  )
  const operands = NAMED.map((command) => {
    const kind = operandKind(command)
    const known = kind === null ? '' : kind === 'command' ? 'COMPREPLY=($(compgen -c -- "$cur"));' : bashValues(kind)
    return `    ${command.name}) options='${words(command)}'; ${known} ;;`
  })
  return `# bash completion for proc-events: source <(proc-events completion bash)
_proc_events() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}" options='' i
  COMPREPLY=()
  if [[ $command == run ]]; then
    for ((i = 2; i < COMP_CWORD; i++)); do
      # What follows is the command's own.
      if [[ \${COMP_WORDS[i]} == -- ]]; then COMPREPLY=($(compgen -c -f -- "$cur")); return; fi
    done
  fi
  case $prev in
${values.join('\n')}
  esac
  case $command in
${operands.join('\n')}
    *) options='${words(MAIN)}'; if ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W '${NAMED.map(({ name }) => name).join(' ')}' -- "$cur")); fi ;;
  esac
  if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W "$options" -- "$cur")); fi
}
complete -o filenames -F _proc_events proc-events
`
}

function bashValues(kind: ValueKind, name: string = ''): string {
  const of: Record<string, string> = { file: '-f', user: '-u' }
  if (kind === 'pid') return `COMPREPLY=($(compgen -W "$(cd /proc && echo [0-9]*)" -- "$cur"));`
  if (name === LIST_OPTION) return bashList([...kind, ALL_EVENTS])
  if (typeof kind !== 'string') return `COMPREPLY=($(compgen -W '${kind.join(' ')}' -- "$cur"));`
  const action = of[kind]
  return action === undefined ? '' : `COMPREPLY=($(compgen ${action} -- "$cur"));`
}

/** Completes the last word of a list with commas. */
function bashList(words: readonly string[]): string {
  const before = '${cur%"${cur##*,}"}'
  return `COMPREPLY=($(compgen -P "${before}" -W '${words.join(' ')}' -- "\${cur##*,}"));`
}

function zsh(): string {
  const specs = (command: Command): string =>
    optionsOf(command)
      .flatMap((option) => flags(option).map((flag) => zshSpec(flag, option)))
      .join(' \\\n        ')
  const cases = NAMED.map((command) => {
    const kind = operandKind(command)
    const rest =
      kind === null
        ? ''
        : ` \\\n        '${kind === 'command' ? '*::command:_normal' : `*:operand:${zshValues(kind)}`}'`
    return `    ${command.name})\n      shift words; ((CURRENT--))\n      _arguments -s \\\n        ${specs(command)}${rest} ;;`
  })
  const commands = NAMED.map(({ name, brief }) => `'${zshQuoted(`${name}:${brief}`)}'`).join(' ')
  return `#compdef proc-events
# zsh completion for proc-events: source <(proc-events completion zsh), or save it as _proc-events in a folder of $fpath.
_proc_events() {
  local -a commands=(${commands})
  case $words[2] in
${cases.join('\n')}
    *)
      if ((CURRENT == 2)) && [[ $PREFIX != -* ]]; then _describe command commands; return; fi
      _arguments -s \\
        ${specs(MAIN)} ;;
  esac
}
if [[ $funcstack[1] == _proc-events ]]; then _proc_events "$@"; else compdef _proc_events proc-events; fi
`
}

function zshSpec(flag: string, option: Option): string {
  const value = option.value === undefined ? '' : `:${option.value}:${zshValues(option.kind ?? 'text', option.name)}`
  const again = option.repeatable === true ? '*' : ''
  return `'${again}${zshQuoted(`${flag}[${clause(option).replace(/[[\]]/g, '')}]`)}${value}'`
}

function zshValues(kind: ValueKind, name = ''): string {
  const of: Record<string, string> = { file: '_files', user: '_users', pid: '_pids' }
  if (typeof kind === 'string') return of[kind] ?? ' '
  return name === LIST_OPTION ? `_values -s , event ${kind.join(' ')} ${ALL_EVENTS}` : `(${kind.join(' ')})`
}

function zshQuoted(text: string): string {
  return text.replaceAll("'", String.raw`'\''`)
}

function fish(): string {
  const names = NAMED.map(({ name }) => name).join(' ')
  const lines = COMMANDS.flatMap((command) => {
    const when =
      command.name === '' ? `not __fish_seen_subcommand_from ${names}` : `__fish_seen_subcommand_from ${command.name}`
    const kind = operandKind(command)
    const operand = kind === null || kind === 'command' ? [] : [fishLine(when, ` -a ${fishValues(kind)}`)]
    return optionsOf(command)
      .map((option) => fishLine(when, fishOption(option)))
      .concat(operand)
  })
  const commands = NAMED.map(({ name, brief }) =>
    fishLine(`not __fish_seen_subcommand_from ${names}`, ` -a ${name} -d ${fishQuoted(brief)}`),
  )
  const run = fishLine('__fish_seen_subcommand_from run', ' -a "(__fish_complete_subcommand --fcs-skip=2)"')
  return `# fish completion for proc-events: proc-events completion fish | source
complete -c proc-events -f
${[...commands, ...lines, run].join('\n')}
`
}

function fishLine(when: string, rest: string): string {
  return `complete -c proc-events -n ${fishQuoted(when)}${rest}`
}

function fishOption(option: Option): string {
  const short = option.short === undefined ? '' : ` -s ${option.short}`
  const { kind = 'text' } = option
  const values = kind === 'file' ? ' -rF' : typeof kind === 'string' && !FISH[kind] ? ' -x' : ` -xa ${fishValues(kind)}`
  const text = clause(option)
  return ` -l ${option.name}${short}${option.value === undefined ? '' : values} -d ${fishQuoted(text)}`
}

const FISH: Record<string, string> = { user: '"(__fish_complete_users)"', pid: '"(__fish_complete_pids)"' }

function fishValues(kind: ValueKind): string {
  return typeof kind === 'string' ? (FISH[kind] ?? '""') : fishQuoted(kind.join(' '))
}

function fishQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** Returns the first clause of an option's text. */
function clause({ text }: Option): string {
  return text.replace(/[.:;](?:\s.*)?$/s, '')
}

function optionsWithValues(): readonly Option[] {
  return OPTIONS.filter(({ value }) => value !== undefined)
}
