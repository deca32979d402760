/** Checks options objects for unknown keys, because an option that is misspelt would otherwise have no effect. */
import { checkObject, invalidArgValue } from './errors.js'
import { nearest } from './nearest.js'

/** All keys of an interface of options. The compiler fails if one is missing, or is not in the interface. */
export type KnownKeys<Options> = { readonly [K in keyof Options]-?: true }

/** Throws unless the options are an object whose keys, inherited ones included, are all known. */
export function checkOptionsObject<Options>(options: Options, known: KnownKeys<Options>): void {
  checkObject('options', options)
  for (const key in options) {
    // Some old libraries add keys to the prototype of every object.
    if (Object.hasOwn(known, key) || key in Object.prototype) continue
    // An AbortController is a valid object of options, and inherits the method `abort`.
    if (!Object.hasOwn(options as object, key) && typeof options[key] === 'function') continue
    const near = nearest(key, Object.keys(known))
    const hint = near === undefined ? `The known options are: ${listed(Object.keys(known))}` : `Did you mean '${near}'?`
    throw invalidArgValue(`options.${key}`, 'is unknown', hint)
  }
}

/** Returns a copy of the options with its known keys only. A key without a value is undefined in it. */
export function pickKnown<Options>(options: Options, known: KnownKeys<Options>): Options {
  const keys = Object.keys(known) as (keyof Options)[]
  return Object.fromEntries(keys.map((key) => [key, options[key]])) as Options
}

function listed(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ')
}
