/** Converts user ids to names and back, by /etc/passwd. */
import { readFileSync } from 'node:fs'

export class Users {
  readonly #names = new Map<number, string>()
  readonly #uids = new Map<string, number>()

  constructor(passwd: string = readPasswd()) {
    for (const line of passwd.split('\n')) {
      const [name, , uid] = line.split(':')
      if (!name || !/^\d+$/.test(uid ?? '')) continue
      if (!this.#names.has(Number(uid))) this.#names.set(Number(uid), name)
      if (!this.#uids.has(name)) this.#uids.set(name, Number(uid))
    }
  }

  nameOf(uid: number): string | null {
    return this.#names.get(uid) ?? null
  }

  uidOf(name: string): number | undefined {
    return this.#uids.get(name)
  }
}

/** Users of a directory service are shown as numbers. */
function readPasswd(): string {
  try {
    return readFileSync('/etc/passwd', 'utf8')
  } catch {
    return ''
  }
}
