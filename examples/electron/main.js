// Shows which game is being played. The monitor belongs to the main process: there is one for all windows, and renderers
// have no business with /proc.

const { app, BrowserWindow, ipcMain } = require('electron')
const { join } = require('node:path')
const { getProcessMonitor } = require('proc-events')
const { GAMES, watchGames } = require('./games.js')

async function main() {
  await app.whenReady()
  const monitor = getProcessMonitor()
  const window = new BrowserWindow({ webPreferences: { preload: join(__dirname, 'preload.js') } })
  const tell = (...about) => {
    if (!window.isDestroyed()) window.webContents.send('game', ...about)
  }
  // Windows tell when they listen: what is sent before is nobody's.
  ipcMain.once('listening', () => {
    watchGames(monitor, GAMES, {
      began: (title) => tell('began', title),
      ended: (title) => tell('ended', title),
    })
    monitor.initialize({ source: 'auto' }).then(
      () => tell('ready'),
      (error) => tell('failed', `${error.code}: ${error.message}`),
    )
  })
  app.on('window-all-closed', () => {
    monitor.stop().finally(() => app.quit())
  })
  await window.loadFile('index.html')
}

main()
