// The monitor belongs to the main process: there is one for all windows, and renderers have no business with /proc.

const { app, BrowserWindow, ipcMain } = require('electron')
const { join } = require('node:path')
const { getProcessMonitor } = require('proc-events')

async function main() {
  await app.whenReady()
  const monitor = getProcessMonitor()
  const window = new BrowserWindow({ webPreferences: { preload: join(__dirname, 'preload.js') } })
  const tell = (text) => {
    if (!window.isDestroyed()) window.webContents.send('process', text)
  }
  // Windows tell when they listen: what is sent before is nobody's.
  ipcMain.once('listening', () => {
    monitor.subscribeExec((pid, { process: { name } }) => tell(`exec ${pid} ${name}`), { capture: ['name'] })
    monitor.subscribeExit((pid, { exitCode, signal }) => tell(`exit ${pid} ${exitCode ?? signal}`))
    monitor.initialize({ source: 'auto' }).catch((error) => tell(`${error.code}: ${error.message}`))
  })
  await window.loadFile('index.html')
  app.on('window-all-closed', () => {
    monitor.stop().finally(() => app.quit())
  })
}

main()
