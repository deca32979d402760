// A single executable with the native part as an asset. It writes the asset to a file, because only files can be loaded.

const { mkdtempSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')
const { getRawAsset } = require('node:sea')

const folder = mkdtempSync(join(tmpdir(), 'single-'))
process.env.NAPI_RS_NATIVE_LIBRARY_PATH = join(folder, 'proc-events.node')
writeFileSync(process.env.NAPI_RS_NATIVE_LIBRARY_PATH, new Uint8Array(getRawAsset('proc-events.node')))
process.on('exit', () => rmSync(folder, { recursive: true }))
module.exports = require('./watch.cjs')
