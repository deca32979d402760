// Preloaded before a module of a utility process. It has process.parentPort, as there, but over the channel of
// child_process.fork().

const { EventEmitter } = require('node:events')

const port = new EventEmitter()
port.postMessage = (message) => process.send(message)
process.on('message', (data) => port.emit('message', { data, ports: [] }))
process.parentPort = port
