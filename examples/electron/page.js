/* global games, document */
// What is being played now, and what happened before, the newest on top.

const now = document.getElementById('now')
const list = document.getElementById('list')
const playing = new Set()

games.listen((what, about) => {
  if (what === 'began') playing.add(about)
  if (what === 'ended') playing.delete(about)
  now.textContent = playing.size > 0 ? `Playing ${[...playing].join(', ')}` : 'Playing nothing'
  const item = document.createElement('li')
  item.textContent = [new Date().toLocaleTimeString(), what, about].filter(Boolean).join(' ')
  list.prepend(item)
  while (list.children.length > 100) list.lastChild.remove()
})
