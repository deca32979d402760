// One rule of this repository's own: the loader of the native part, src/native/loader.ts, has one door, src/native/binding.ts.
// It looks at every string that is a relative path, so that import, export from, import(), import types, require,
// require.resolve and createRequire are all seen.

import { dirname, relative, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '..')
const door = 'src/native/binding.ts'

/** Whether a relative path, seen from `file`, names the loader or an addon itself. */
function namesTheLoader(path, file) {
  if (!/^\.\.?\//.test(path)) return false
  const target = relative(root, resolve(dirname(file), path))
  return /^src\/native\/loader(\.js|\.ts|\.d\.ts)?$/.test(target) || target.endsWith('.node')
}

const loaderHasOneDoor = {
  meta: {
    type: 'problem',
    docs: { description: `Only ${door} may import the loader.` },
    messages: { door: `Only ${door} may import the loader; get the binding from there.` },
    schema: [],
  },
  create(context) {
    if (relative(root, context.filename) === door) return {}
    const check = (node, text) => {
      if (typeof text === 'string' && namesTheLoader(text, context.filename)) {
        context.report({ node, messageId: 'door' })
      }
    }
    return {
      Literal: (node) => check(node, node.value),
      TemplateElement: (node) => check(node, node.value.cooked),
    }
  },
}

export default { meta: { name: 'proc-events' }, rules: { 'loader-has-one-door': loaderHasOneDoor } }
