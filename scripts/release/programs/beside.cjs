// A single executable with the package in node_modules beside it. There, `require` finds only Node.js's own modules.

const { createRequire } = require('node:module')

createRequire(process.execPath)('./watch.cjs')
