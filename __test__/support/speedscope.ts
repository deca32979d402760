/** Imports a trace with speedscope's own importer, without its page. */
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import vm from 'node:vm'

export interface SpeedscopeProfile {
  getName(): string
  /** In microseconds. */
  getTotalWeight(): number
  forEachCall(
    open: (node: { frame: { name: string } }, value: number) => void,
    close: (node: object, value: number) => void,
  ): void
}

type Importer = (name: string, base64: string) => Promise<{ name: string; profiles: SpeedscopeProfile[] } | null>

let importer: Importer | undefined

/** Resolves with the profiles, one for each lane. */
export async function importIntoSpeedscope(name: string, text: string): Promise<SpeedscopeProfile[]> {
  importer ??= load()
  const group = await importer(name, Buffer.from(text).toString('base64'))
  return group?.profiles ?? []
}

/** The package is one script for a page. Its importer needs no page, and is a function that the page's hook calls. */
function load(): Importer {
  const manifest = createRequire(import.meta.url).resolve('speedscope/package.json')
  const folder = join(dirname(manifest), 'dist', 'release')
  const file = readdirSync(folder).find((one) => /^speedscope-.*\.js$/.test(one))!
  const script = readFileSync(join(folder, file), 'utf8')
  const hook = /loadFileFromBase64:\((\w+),(\w+)\)=>\{this\.loadProfile\(\(\)=>(\w+)\(\1,\2\)\)/.exec(script)
  if (hook === null) throw new Error('speedscope: the importer is not where it was')
  const begin = '"use strict";(()=>{'
  const source = script.replace(begin, `${begin}globalThis.importer=(n,b)=>${hook[3]}(n,b);`)
  const page = vm.createContext({
    TextDecoder,
    TextEncoder,
    Uint8Array,
    ArrayBuffer,
    DataView,
    atob,
    btoa,
    URL,
    URLSearchParams,
    Blob,
    performance,
    setTimeout,
    clearTimeout,
    document: anything(),
    localStorage: anything(),
    console: { log() {}, warn() {}, error() {} },
    requestAnimationFrame() {},
    navigator: { userAgent: '', platform: '' },
    location: { hash: '', protocol: 'file:', href: 'file:///', search: '' },
    matchMedia: () => ({ matches: false, addListener() {} }),
    FontFace: anything(),
    devicePixelRatio: 1,
    addEventListener() {},
  })
  page['window'] = page['self'] = page['globalThis'] = page
  try {
    vm.runInContext(source, page)
  } catch {
    // The page cannot be drawn here. The importer is defined before.
  }
  return page['importer'] as Importer
}

/** Returns an object with every property, which can be called. */
function anything(): unknown {
  return new Proxy(function () {}, {
    get: (_, key) => (key === Symbol.toPrimitive ? () => '' : key === 'then' ? undefined : anything()),
    set: () => true,
    apply: anything,
    construct: anything as () => object,
  })
}
