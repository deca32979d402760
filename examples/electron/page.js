/* global processes, document */
// The newest on top, and no more than fit.

const list = document.getElementById('list')

processes.listen((text) => {
  const item = document.createElement('li')
  item.textContent = text
  list.prepend(item)
  while (list.children.length > 100) list.lastChild.remove()
})
