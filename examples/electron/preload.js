// All that a page may have of it: words.

const { contextBridge, ipcRenderer } = require('electron')

contextBridge.exposeInMainWorld('games', {
  listen(callback) {
    ipcRenderer.on('game', (_event, what, about) => callback(what, about))
    ipcRenderer.send('listening')
  },
})
