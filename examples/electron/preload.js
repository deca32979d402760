// All that a page may have of it: texts.

const { contextBridge, ipcRenderer } = require('electron')

contextBridge.exposeInMainWorld('processes', {
  listen(callback) {
    ipcRenderer.on('process', (_event, text) => callback(text))
    ipcRenderer.send('listening')
  },
})
