/** The options as they were given on the command line, by name. */

export type Values = Readonly<Record<string, string | boolean | readonly string[] | undefined>>

export function text(given: Values, option: string): string | undefined {
  const value = given[option]
  return typeof value === 'string' ? value : undefined
}
