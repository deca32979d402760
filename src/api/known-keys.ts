/** Checks options objects for unknown keys, because an option that is misspelt would otherwise have no effect. */
import { invalidArgType, invalidArgValue, isBuiltIn } from './errors.js'
import { nearest } from './nearest.js'

/** All keys of an interface of options. The compiler fails if one is missing, or is not in the interface. */
export type KnownKeys<Options> = { readonly [K in keyof Options]-?: true }

/** Throws unless the options are an object whose keys, inherited ones included, are all known. */
export function checkOptionsObject<Options>(options: Options, known: KnownKeys<Options>): void {
  if (!canHoldOptions(options, known)) {
    throw invalidArgType('options', `an object with any of the keys ${listed(Object.keys(known))}`, options)
  }
  for (const key in options) {
    // Some old libraries add keys to the prototype of every object.
    if (Object.hasOwn(known, key) || key in Object.prototype) continue
    // An AbortController inherits the method `abort`.
    if (!Object.hasOwn(options as object, key) && typeof options[key] === 'function') continue
    throw invalidArgValue(`options.${key}`, 'is unknown', hintFor(key, known))
  }
}

/** Advice for an option that does not exist. It holds for calls that have the named option. */
const ADVICE: ReadonlyMap<string, readonly [option: string, advice: string]> = new Map([
  ['pid', ['ancestor', "Compare the pid in the callback. The option 'ancestor' selects the descendants of a process."]],
  ['timeout', ['signal', "Pass the option 'signal', such as AbortSignal.timeout(1000)."]],
])

function hintFor<Options>(key: string, known: KnownKeys<Options>): string {
  const [option, advice] = ADVICE.get(key.toLowerCase()) ?? []
  if (option !== undefined && Object.hasOwn(known, option)) return advice!
  const keys = Object.keys(known)
  const near = nearest(key, keys)
  return near === undefined ? `The known options are: ${listed(keys)}` : `Did you mean '${near}'?`
}

/** Returns a copy of the options with its known keys only. A key without a value is undefined in it. */
export function pickKnown<Options>(options: Options, known: KnownKeys<Options>): Options {
  const keys = Object.keys(known) as (keyof Options)[]
  return Object.fromEntries(keys.map((key) => [key, options[key]])) as Options
}

/**
 * Returns true for an object whose properties can be options. A RegExp, an array or a Map would have no effect. An
 * AbortController is valid, because it has the option `signal`.
 */
function canHoldOptions<Options>(options: Options, known: KnownKeys<Options>): boolean {
  if (typeof options !== 'object' || options === null) return false
  if (!isBuiltIn(options)) return true
  for (const key in options) if (Object.hasOwn(known, key)) return true
  return false
}

function listed(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ')
}
