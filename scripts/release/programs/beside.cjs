// In a single executable, with the package in node_modules beside it: `require` has Node.js's own modules only.

const { createRequire } = require('node:module')

createRequire(process.execPath)('./watch.cjs')
