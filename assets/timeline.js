/** Draws the timeline of a page of `run --format html`. The page has the data, and tables that need no script. */
'use strict'

{
  const byId = (id) => document.getElementById(id)
  const data = JSON.parse(byId('data').textContent)
  const { strings, colored, heights, counts, losses, totalMs } = data

  /** The columns of `data.bars`. Bars are in the order of their starts. */
  const bars = data.bars.map((row, index) => {
    const [
      parent,
      label,
      program,
      start,
      length,
      lane,
      level,
      pid,
      ppid,
      ending,
      state,
      command,
      details,
      execs,
      cost,
    ] = row
    return {
      index,
      parent,
      label: strings[label],
      program: strings[program],
      color: colored.indexOf(program),
      start,
      length,
      lane,
      level,
      pid,
      ppid,
      ending: strings[ending],
      isFailed: state === 1,
      isRunning: state === 2,
      command: strings[command],
      details: details.map(([name, value]) => [strings[name], strings[value]]),
      execs: execs.map(([at, name]) => [at, strings[name]]),
      cost,
      row: 0,
      depth: 0,
      isFound: true,
    }
  })

  const ROW = 20
  const AXIS = 22
  /** The most bars that are shown as a tree unless the reader asks for it. */
  const TREE_MAX = 300
  /** Round parts of minutes and hours, in milliseconds. */
  const LONG_STEPS = [15, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600].map((s) => s * 1000)
  /** The folders of a path, which the column of names leaves out. */
  const FOLDERS = /(?:\/[^\s/'"=:]+){2,}\/(?=[^\s/'"])/g
  /** From this width on, a tree has a column of names. */
  const WITH_NAMES = 720

  const [overview, chart, viewport, spacer, tip] = ['overview', 'chart', 'viewport', 'spacer', 'tip'].map(byId)
  const view = { isTree: bars.length <= TREE_MAX, from: 0, span: totalMs, selected: null, isFiltered: false }
  const laneTops = heights.map(() => 0)
  for (let lane = 1; lane < heights.length; lane++) laneTops[lane] = laneTops[lane - 1] + heights[lane - 1]
  const laneRows = heights.reduce((sum, height) => sum + height, 0)
  let inPaintOrder = paintOrder()
  let colors = {}
  let isScheduled = false

  numberRows()
  byId('timeline').hidden = false
  legend()
  readColors()
  layOut()

  /** Gives each bar its row in the tree. Not recursive, because a tree may be deeper than the stack. */
  function numberRows() {
    const children = bars.map(() => [])
    const open = []
    for (const bar of bars) if (bar.parent >= 0) children[bar.parent].push(bar)
    for (const bar of bars.toReversed()) if (bar.parent < 0) open.push(bar)
    let row = 0
    for (let bar = open.pop(); bar !== undefined; bar = open.pop()) {
      bar.row = row++
      for (const child of children[bar.index].toReversed()) {
        child.depth = bar.depth + 1
        open.push(child)
      }
    }
  }

  /** Failures are painted last, so that no neighbour hides them. Bars that the search has not found come first. */
  function paintOrder() {
    const rank = ({ isFailed, isFound }) => (isFound ? 2 : 0) + (isFailed ? 1 : 0)
    return bars.toSorted((a, b) => rank(a) - rank(b))
  }

  function rowOf(bar) {
    return view.isTree ? bar.row : laneTops[bar.lane] + bar.level
  }

  function readColors() {
    const style = getComputedStyle(document.documentElement)
    const names = ['back', 'panel', 'text', 'dim', 'line', 'accent', 'on', 'bad', 'on-bad', 'other', 'shade']
    for (let at = 0; at < colored.length; at++) names.push(`c${at}`)
    colors = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]))
    for (const swatch of byId('legend').querySelectorAll('i')) swatch.style.background = colors[swatch.dataset.color]
  }

  function legend() {
    const add = (text, color) => {
      const item = document.createElement('span')
      const swatch = document.createElement('i')
      swatch.dataset.color = color
      item.append(swatch, text)
      byId('legend').append(item)
    }
    for (const [at, program] of colored.entries()) add(strings[program], `c${at}`)
    if (bars.some(({ color }) => color < 0)) add('others', 'other')
    if (bars.some(({ isFailed }) => isFailed)) add('✗ failed', 'bad')
  }

  /** Sets the sizes after a change of the layout or the window. */
  function layOut() {
    for (const [id, isPressed] of [
      ['tree', view.isTree],
      ['lanes', !view.isTree],
    ]) {
      byId(id).setAttribute('aria-pressed', String(isPressed))
    }
    const rows = view.isTree ? bars.length : laneRows
    const wanted = AXIS + rows * ROW + 8
    const height = Math.min(wanted, Math.max(180, Math.round(window.innerHeight * 0.62)))
    viewport.style.height = `${height}px`
    chart.style.height = `${viewport.clientHeight}px`
    spacer.style.height = `${Math.max(0, wanted - viewport.clientHeight)}px`
    redraw()
  }

  function redraw() {
    if (isScheduled) return
    isScheduled = true
    requestAnimationFrame(() => {
      isScheduled = false
      view.span = Math.min(Math.max(view.span, 0.001), totalMs)
      view.from = Math.min(Math.max(view.from, 0), totalMs - view.span)
      drawChart()
      drawOverview()
    })
  }

  /** Returns a context in units of CSS pixels. */
  function contextOf(canvas) {
    const { clientWidth: width, clientHeight: height } = canvas
    const ratio = window.devicePixelRatio || 1
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
    const context = canvas.getContext('2d')
    context.scale(ratio, ratio)
    context.clearRect(0, 0, width, height)
    context.textBaseline = 'middle'
    return { context, width, height }
  }

  /** The width of the column of names. */
  function gutter() {
    const { clientWidth: width } = chart
    return view.isTree && width >= WITH_NAMES ? Math.round(Math.min(340, width * 0.3)) : 0
  }

  function drawChart() {
    const { context, width, height } = contextOf(chart)
    const left = gutter()
    const scale = (width - left) / view.span
    const top = AXIS - viewport.scrollTop
    context.fillStyle = colors.back
    context.fillRect(0, 0, width, height)
    const ticks = ticksOf(view.from, view.span, (width - left) / 90)
    context.fillStyle = colors.line
    for (const tick of ticks) context.fillRect(Math.round(left + (tick - view.from) * scale), AXIS, 1, height)

    context.save()
    context.beginPath()
    context.rect(left, AXIS, width - left, height - AXIS)
    context.clip()
    context.font = '12px system-ui, sans-serif'
    drawLosses(context, left, scale, height)
    const labels = []
    // The right end of what is painted in each row: bars that are narrower than a pixel are painted once.
    const painted = new Map()
    for (const bar of inPaintOrder) {
      if (!view.isTree && bar.lane < 0) continue
      const row = rowOf(bar)
      const y = top + row * ROW
      if (y + ROW < AXIS || y > height) continue
      const x = left + (bar.start - view.from) * scale
      const length = Math.max(bar.length * scale, 2)
      if (x + length < left || x > width) {
        if (view.isTree) drawHint(context, x > width, y, left, width)
        continue
      }
      const key = row * 2 + (bar.isFailed ? 1 : 0)
      if (length <= 2 && x + length <= (painted.get(key) ?? -1) && bar.index !== view.selected) continue
      painted.set(key, Math.max(painted.get(key) ?? -1, x + length))
      drawBar(context, bar, Math.max(x, left - 4), y, Math.min(x + length, width + 4), scale, left)
      if (length > 18 || view.isTree) labels.push([bar, Math.max(x, left), y, Math.min(x + length, width)])
    }
    for (const label of labels) drawLabel(context, ...label, left, width)
    context.restore()
    if (left > 0) drawNames(context, left, top, height)
    drawAxis(context, ticks, left, width, scale)
  }

  function drawBar(context, bar, x, y, end, scale, left) {
    context.globalAlpha = bar.isFound ? 1 : 0.22
    context.fillStyle = bar.isFailed ? colors.bad : bar.color < 0 ? colors.other : colors[`c${bar.color}`]
    // Neighbours of one colour stay apart.
    context.fillRect(x, y + 2, end - x > 3 ? end - x - 1 : end - x, ROW - 4)
    if (end - x > 8) {
      context.fillStyle = colors.back
      // A process that replaces its program has a mark at each exec.
      for (const [at] of bar.execs) {
        const mark = left + (at - view.from) * scale
        if (mark > x + 2 && mark < end - 1) context.fillRect(Math.round(mark), y + 2, 1, ROW - 4)
      }
    }
    if (bar.isRunning) {
      // The end of a process that still runs is open.
      context.fillStyle = colors.back
      const teeth = Math.min(4, (end - x) / 2)
      for (let at = 0; at < 4; at += 2) context.fillRect(end - teeth, y + 2 + at * 4, teeth, 4)
    }
    context.globalAlpha = 1
    if (bar.index === view.selected) {
      context.strokeStyle = colors.accent
      context.lineWidth = 2
      context.strokeRect(x, y + 2, Math.max(end - x, 3), ROW - 4)
    }
  }

  /** Draws an arrow to a bar that is before or after the visible time. */
  function drawHint(context, isAfter, y, left, width) {
    const [edge, point] = isAfter ? [width - 9, width - 3] : [left + 9, left + 3]
    context.fillStyle = colors.dim
    context.beginPath()
    context.moveTo(edge, y + 6)
    context.lineTo(point, y + ROW / 2)
    context.lineTo(edge, y + ROW - 6)
    context.fill()
  }

  /** Draws the label in its bar, or beside it in a tree. */
  function drawLabel(context, bar, x, y, end, left, width) {
    const text = (bar.isFailed ? '✗ ' : '') + bar.label
    const middle = y + ROW / 2 + 0.5
    const hasNames = left > 0
    const inside = end - x - 8
    context.globalAlpha = bar.isFound ? 1 : 0.4
    const shown = hasNames ? `${bar.isFailed ? '✗ ' : ''}${duration(bar.length)}` : text
    if (!view.isTree || context.measureText(shown).width <= inside) {
      context.fillStyle = bar.isFailed ? colors['on-bad'] : colors.on
      const fitting = fitted(context, view.isTree || inside < 90 ? shown : `${text} · ${duration(bar.length)}`, inside)
      context.fillText(fitting, x + 4, middle)
    } else {
      const beside = hasNames ? shown : `${text} · ${duration(bar.length)}`
      const needed = context.measureText(beside).width + 8
      context.fillStyle = bar.isFailed ? colors.bad : colors.dim
      if (end + needed <= width) context.fillText(beside, end + 4, middle)
      else if (x - needed >= left) context.fillText(beside, x - needed + 4, middle)
      else context.fillText(fitted(context, beside, width - end - 8), end + 4, middle)
    }
    context.globalAlpha = 1
  }

  /** Draws the column of names, indented. */
  function drawNames(context, left, top, height) {
    context.fillStyle = colors.back
    context.fillRect(0, AXIS, left, height - AXIS)
    context.fillStyle = colors.line
    context.fillRect(left - 1, AXIS, 1, height - AXIS)
    context.save()
    context.beginPath()
    context.rect(0, AXIS, left - 1, height - AXIS)
    context.clip()
    for (const bar of bars) {
      const y = top + bar.row * ROW
      if (y + ROW < AXIS || y > height) continue
      if (bar.index === view.selected) {
        context.fillStyle = colors.shade
        context.fillRect(0, y, left, ROW)
      }
      context.globalAlpha = bar.isFound ? 1 : 0.4
      const x = 8 + Math.min(bar.depth, 12) * 12
      const name = (bar.isFailed ? '✗ ' : '') + bar.label
      context.font = '12px system-ui, sans-serif'
      context.fillStyle = bar.isFailed ? colors.bad : colors.text
      const shown = fitted(context, name, left - x - 8)
      context.fillText(shown, x, y + ROW / 2 + 0.5)
      // What the arguments add to the name.
      const rest = bar.command.slice(bar.command.indexOf(' ') + 1).replaceAll(FOLDERS, '…/')
      const at = x + context.measureText(shown).width + 8
      if (bar.command.includes(' ') && left - at > 40) {
        context.font = '11px ui-monospace, monospace'
        context.fillStyle = colors.dim
        context.fillText(fitted(context, rest, left - at - 8), at, y + ROW / 2 + 0.5)
      }
      context.globalAlpha = 1
    }
    context.restore()
  }

  function drawLosses(context, left, scale, height) {
    context.fillStyle = colors.bad
    for (const [at] of losses) context.fillRect(Math.round(left + (at - view.from) * scale), AXIS, 1, height)
  }

  function drawAxis(context, ticks, left, width, scale) {
    context.fillStyle = colors.panel
    context.fillRect(0, 0, width, AXIS)
    context.fillStyle = colors.dim
    context.font = '11px system-ui, sans-serif'
    if (left > 0) context.fillText(`${bars.length} processes`, 8, AXIS / 2)
    const step = ticks.length > 1 ? ticks[1] - ticks[0] : view.span
    for (const tick of ticks) {
      const x = left + (tick - view.from) * scale
      const text = timeText(tick, step)
      if (x >= left && x + context.measureText(text).width + 6 <= width) context.fillText(text, x + 4, AXIS / 2)
    }
    context.fillStyle = colors.line
    context.fillRect(0, AXIS - 1, width, 1)
  }

  /** Draws how many processes run, and the part of the time that the chart shows. */
  function drawOverview() {
    const { context, width, height } = contextOf(overview)
    const most = counts.reduce((highest, [, running]) => Math.max(highest, running), 1)
    const x = (ms) => (ms / (totalMs || 1)) * width
    context.fillStyle = colors.c0 ?? colors.other
    for (const [at, [ms, running]] of counts.entries()) {
      const end = counts[at + 1]?.[0] ?? totalMs
      const bar = (running / most) * (height - 8)
      context.fillRect(x(ms), height - bar, Math.max(x(end) - x(ms), 0.5), bar)
    }
    context.fillStyle = colors.bad
    for (const bar of bars) if (bar.isFailed) context.fillRect(x(bar.start + bar.length) - 1, 0, 2, 4)
    context.font = '11px system-ui, sans-serif'
    const text = `at most ${most} at once`
    context.globalAlpha = 0.8
    context.fillStyle = colors.back
    context.fillRect(2, 3, context.measureText(text).width + 8, 16)
    context.globalAlpha = 1
    context.fillStyle = colors.dim
    context.fillText(text, 6, 11)
    if (view.span < totalMs) {
      const [from, to] = [x(view.from), x(view.from + view.span)]
      context.fillStyle = colors.shade
      context.fillRect(0, 0, from, height)
      context.fillRect(to, 0, width - to, height)
      context.strokeStyle = colors.accent
      context.lineWidth = 1
      context.strokeRect(from + 0.5, 0.5, Math.max(to - from - 1, 2), height - 1)
    }
  }

  /** Returns round times, at most `most` of them. */
  function ticksOf(from, span, most) {
    const rough = span / Math.max(most, 2)
    const power = 10 ** Math.floor(Math.log10(rough))
    const steps = rough > 10_000 ? LONG_STEPS : [1, 2, 5, 10].map((factor) => factor * power)
    const step = steps.find((one) => one >= rough) ?? Math.ceil(rough / 3_600_000) * 3_600_000
    const ticks = []
    for (let at = Math.ceil(from / step - 1e-9); at * step <= from + span; at++) ticks.push(at * step)
    return ticks
  }

  function timeText(ms, step) {
    if (ms === 0) return '0'
    if (totalMs < 1000 || step < 1) return `${trimmed(ms, step)} ms`
    const s = ms / 1000
    if (s < 60) return `${trimmed(s, step / 1000)} s`
    const rest = trimmed(s % 60, step / 1000)
    return `${Math.floor(s / 60)}:${rest.replace(/^\d+/, (whole) => whole.padStart(2, '0'))} min`
  }

  function trimmed(value, step) {
    return value.toFixed(Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)))
  }

  function duration(ms) {
    if (ms < 1) return `${Math.round(ms * 1000)} µs`
    if (ms < 1000) return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`
    if (ms < 60_000) return `${(ms / 1000).toFixed(2)} s`
    return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
  }

  function size(bytes) {
    const power = Math.min(Math.floor(Math.log2(Math.max(bytes, 1)) / 10), 4)
    return `${(bytes / 1024 ** power).toFixed(power > 0 ? 1 : 0)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`
  }

  /** Cuts a text to a width. */
  function fitted(context, text, width) {
    if (width < 10) return ''
    if (context.measureText(text).width <= width) return text
    let [kept, cut] = [0, text.length]
    while (cut - kept > 1) {
      const middle = (kept + cut) >> 1
      if (context.measureText(`${text.slice(0, middle)}…`).width <= width) kept = middle
      else cut = middle
    }
    // A letter alone says nothing.
    return kept > 1 ? `${text.slice(0, kept)}…` : ''
  }

  function barAt({ offsetX, offsetY }) {
    const left = gutter()
    if (offsetY < AXIS) return undefined
    const row = Math.floor((offsetY - AXIS + viewport.scrollTop) / ROW)
    if (view.isTree && (offsetX < left || bars.length === 0)) return bars.find((bar) => bar.row === row)
    const pixel = view.span / (chart.clientWidth - left)
    const ms = view.from + (offsetX - left) * pixel
    let [best, distance] = [undefined, 4 * pixel]
    for (const bar of bars) {
      if ((!view.isTree && bar.lane < 0) || rowOf(bar) !== row) continue
      const away = Math.max(bar.start - ms, ms - bar.start - Math.max(bar.length, 2 * pixel), 0)
      if (away < distance || (away === 0 && distance === 0)) [best, distance] = [bar, away]
    }
    return best ?? (view.isTree ? bars.find((bar) => bar.row === row) : undefined)
  }

  function summaryOf(bar) {
    const { label, pid, ending, start, length, command } = bar
    return `${label} (${pid}): ${ending}\nfrom ${duration(start)}, for ${duration(length)}${command ? `\n${command}` : ''}`
  }

  function showTip(event) {
    const bar = event === null ? undefined : barAt(event)
    tip.hidden = bar === undefined
    if (bar === undefined) return
    tip.textContent = summaryOf(bar)
    const { clientWidth: width, clientHeight: height } = document.documentElement
    const isLow = event.clientY + 24 + tip.offsetHeight > height
    tip.style.left = `${Math.max(8, Math.min(event.clientX + 12, width - tip.offsetWidth - 8))}px`
    tip.style.top = `${isLow ? event.clientY - 12 - tip.offsetHeight : event.clientY + 18}px`
  }

  function select(index, moves) {
    view.selected = index
    const details = byId('details')
    details.replaceChildren()
    if (index === null) return redraw()
    const bar = bars[index]
    const list = document.createElement('dl')
    const add = (name, value, kind) => {
      if (value === undefined || value === null || value === '') return
      const [term, text] = [document.createElement('dt'), document.createElement('dd')]
      term.textContent = name
      if (typeof value === 'string') text.textContent = value
      else text.append(value)
      if (kind) text.className = kind
      list.append(term, text)
    }
    add('process', `${bar.label} (${bar.pid})`)
    add('command', bar.command, 'code')
    add('ended', bar.ending, bar.isFailed ? 'bad' : '')
    add('time', `from ${duration(bar.start)} to ${duration(bar.start + bar.length)}, for ${duration(bar.length)}`)
    if (bar.cost) {
      add('CPU time', duration(bar.cost[0]))
      add('peak memory', bar.cost[1] === null ? '' : size(bar.cost[1]))
    }
    add('parent', bar.parent < 0 ? String(bar.ppid ?? '') : link(bars[bar.parent]))
    for (const [name, value] of bar.details) add(name, value, 'code')
    for (const [at, name] of bar.execs.length > 1 ? bar.execs : []) add('exec', `${name} at ${duration(at)}`)
    details.append(list)
    if (moves) reveal(bar)
    redraw()
  }

  function link(bar) {
    const button = document.createElement('button')
    button.type = 'button'
    button.textContent = `${bar.label} (${bar.pid})`
    button.addEventListener('click', () => select(bar.index, true))
    return button
  }

  /** Moves and zooms, so that a bar can be seen. */
  function reveal(bar) {
    const isVisible = bar.start >= view.from && bar.start + bar.length <= view.from + view.span
    const isWide = (bar.length / view.span) * chart.clientWidth > 3
    if (!isVisible || !isWide) {
      view.span = Math.max(bar.length * 3, totalMs / 5000)
      view.from = bar.start + bar.length / 2 - view.span / 2
    }
    if (!view.isTree && bar.lane < 0) setLayout(true)
    const y = rowOf(bar) * ROW
    if (y < viewport.scrollTop || y + ROW * 2 + AXIS > viewport.scrollTop + viewport.clientHeight)
      viewport.scrollTop = y - viewport.clientHeight / 2
  }

  function setLayout(isTree) {
    view.isTree = isTree
    layOut()
    viewport.scrollTop = view.selected === null ? 0 : rowOf(bars[view.selected]) * ROW - viewport.clientHeight / 2
  }

  /** Returns the part of the visible time that a zoom without a pointer keeps: where the selected or the visible bars are. */
  function center() {
    let of = view.selected === null ? [] : [bars[view.selected]]
    if (of.length === 0 && view.isTree) {
      const first = Math.floor(viewport.scrollTop / ROW)
      const last = first + Math.ceil((viewport.clientHeight - AXIS) / ROW)
      if (last - first < bars.length) of = bars.filter(({ row }) => row >= first && row <= last)
    }
    if (of.length === 0) return 0.5
    const from = Math.min(...of.map(({ start }) => start))
    const to = Math.max(...of.map(({ start, length }) => start + length))
    const at = ((from + to) / 2 - view.from) / view.span
    return at >= 0 && at <= 1 ? at : 0.5
  }

  function zoom(factor, at = center()) {
    const span = Math.min(Math.max(view.span * factor, 0.001), totalMs)
    view.from += (view.span - span) * at
    view.span = span
    redraw()
  }

  function filter() {
    const text = byId('search').value.trim().toLowerCase()
    const isFailed = byId('failed').checked
    view.isFiltered = text !== '' || isFailed
    let found = 0
    for (const bar of bars) {
      const has = text === '' || `${bar.label} ${bar.pid} ${bar.command}`.toLowerCase().includes(text)
      bar.isFound = has && (!isFailed || bar.isFailed)
      if (bar.isFound) found++
    }
    inPaintOrder = paintOrder()
    byId('found').textContent = view.isFiltered ? `${found} found` : ''
    redraw()
  }

  /** Selects the next or the previous bar that the search has found. */
  function moveSelection(by) {
    const ordered = view.isTree ? bars.toSorted((a, b) => a.row - b.row) : bars
    const found = ordered.filter(({ isFound, lane }) => isFound && (view.isTree || lane >= 0))
    if (found.length === 0) return
    const at = found.findIndex(({ index }) => index === view.selected)
    const next = at < 0 ? (by > 0 ? 0 : found.length - 1) : (at + by + found.length) % found.length
    select(found[next].index, true)
  }

  byId('tree').addEventListener('click', () => setLayout(true))
  byId('lanes').addEventListener('click', () => setLayout(false))
  byId('in').addEventListener('click', () => zoom(0.5))
  byId('out').addEventListener('click', () => zoom(2))
  byId('fit').addEventListener('click', () => zoom(Infinity))
  byId('search').addEventListener('input', filter)
  byId('search').addEventListener('keydown', ({ key, shiftKey }) => key === 'Enter' && moveSelection(shiftKey ? -1 : 1))
  byId('failed').addEventListener('change', filter)
  viewport.addEventListener('scroll', redraw)
  window.addEventListener('resize', layOut)
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    readColors()
    redraw()
  })

  chart.addEventListener(
    'wheel',
    (event) => {
      const { deltaX, deltaY, ctrlKey, metaKey, shiftKey, offsetX } = event
      const left = gutter()
      if (ctrlKey || metaKey) zoom(Math.exp(deltaY * 0.004), (offsetX - left) / (chart.clientWidth - left))
      else if (shiftKey || Math.abs(deltaX) > Math.abs(deltaY)) {
        view.from += ((deltaX || deltaY) / chart.clientWidth) * view.span
        redraw()
      } else return
      event.preventDefault()
    },
    { passive: false },
  )

  let drag = null
  chart.addEventListener('pointerdown', (event) => {
    if (event.button !== 0) return
    drag = { x: event.clientX, from: view.from, hasMoved: false }
    chart.setPointerCapture(event.pointerId)
  })
  chart.addEventListener('pointermove', (event) => {
    if (drag === null) return event.pointerType === 'touch' ? undefined : showTip(event)
    const moved = event.clientX - drag.x
    if (Math.abs(moved) > 3) drag.hasMoved = true
    if (!drag.hasMoved) return
    view.from = drag.from - (moved / (chart.clientWidth - gutter())) * view.span
    showTip(null)
    redraw()
  })
  chart.addEventListener('pointerup', (event) => {
    if (drag !== null && !drag.hasMoved) select(barAt(event)?.index ?? null, false)
    drag = null
  })
  chart.addEventListener('pointercancel', () => (drag = null))
  chart.addEventListener('pointerleave', () => showTip(null))
  chart.addEventListener('dblclick', (event) => {
    const bar = barAt(event)
    if (bar === undefined) return zoom(Infinity)
    view.span = bar.length * 1.2
    view.from = bar.start - bar.length * 0.1
    redraw()
  })

  let brush = null
  const msAt = ({ offsetX }) => Math.min(Math.max(offsetX / overview.clientWidth, 0), 1) * totalMs
  overview.addEventListener('pointerdown', (event) => {
    brush = msAt(event)
    overview.setPointerCapture(event.pointerId)
  })
  overview.addEventListener('pointermove', (event) => {
    if (brush === null || Math.abs(msAt(event) - brush) < totalMs / 200) return
    view.from = Math.min(brush, msAt(event))
    view.span = Math.abs(msAt(event) - brush)
    redraw()
  })
  overview.addEventListener('pointerup', (event) => {
    // A click moves the visible part.
    if (brush !== null && Math.abs(msAt(event) - brush) < totalMs / 200) view.from = brush - view.span / 2
    brush = null
    redraw()
  })

  document.addEventListener('keydown', (event) => {
    const { key, target, ctrlKey, metaKey, altKey } = event
    if (ctrlKey || metaKey || altKey) return
    const isTyping = target instanceof HTMLInputElement && target.type === 'search'
    if (key === 'Escape') {
      byId('search').value = ''
      byId('failed').checked = false
      filter()
      select(null, false)
    } else if (key === '/' && !isTyping) {
      byId('search').focus()
    } else if (!isTyping && ['+', '=', '-', '0'].includes(key)) {
      zoom({ '+': 0.5, '=': 0.5, '-': 2, 0: Infinity }[key])
    } else if (target === viewport && key in MOVES) {
      MOVES[key]()
    } else return
    event.preventDefault()
  })
  const pan = (part) => {
    view.from += view.span * part
    redraw()
  }
  const MOVES = {
    ArrowLeft: () => pan(-0.1),
    ArrowRight: () => pan(0.1),
    ArrowUp: () => moveSelection(-1),
    ArrowDown: () => moveSelection(1),
  }
  // The tables have a button for each process that the timeline shows.
  for (const button of document.querySelectorAll('[data-bar]')) {
    button.addEventListener('click', () => {
      select(Number(button.dataset.bar), true)
      byId('timeline').scrollIntoView({ block: 'start' })
    })
  }
}
