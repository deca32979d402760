// Draws the screens of a terminal as one animated SVG, without a script and a font. Without animation it shows the last
// screen.

const CELL = { width: 8.4, height: 18, font: 14 }
const PADDING = 14
const BAR = 26
/** The colours of a dark terminal. */
const COLORS = {
  background: '#16181d',
  bar: '#262a33',
  text: '#d8dee9',
  palette: ['#4c566a', '#e5737d', '#8fcf86', '#e8c87d', '#7aa6e8', '#c49ae0', '#7fcfd4', '#d8dee9'],
}

/**
 * Draws `frames` of `{ at, lines }`: milliseconds since the first one, and the pieces of each line. A piece is
 * `{ column, text, color, bold, dim }`, with a `color` from 0 to 15 or undefined. The last frame stays for `rest`
 * milliseconds, then the animation repeats.
 */
export function draw({ columns, rows, title, frames, rest = 4000 }) {
  const width = columns * CELL.width + 2 * PADDING
  const height = rows * CELL.height + 2 * PADDING + BAR
  const length = frames.at(-1).at + rest
  const lines = new Map()
  const groups = frames.map(({ lines: shown }, index) => {
    const uses = shown.flatMap((pieces, row) => {
      if (pieces.length === 0) return []
      const drawn = pieces.map(piece).join('')
      // A line that scrolls is drawn once.
      if (!lines.has(drawn)) lines.set(drawn, `l${lines.size}`)
      return `<use href="#${lines.get(drawn)}" y="${round(row * CELL.height)}"/>`
    })
    return `<g class="f" id="f${index}">${uses.join('')}</g>`
  })
  const percent = (ms) => `${round((ms / length) * 100)}%`
  const steps = frames.map(({ at }, index) => {
    const [from, until] = [percent(at), percent(frames[index + 1]?.at ?? length)]
    const before = at > 0 ? '0%{visibility:hidden}' : ''
    const after = until === '100%' ? '' : `${until}{visibility:hidden}`
    const animation = frames.length > 1 ? `#f${index}{animation:k${index} ${length}ms step-end infinite}` : ''
    return `@keyframes k${index}{${before}${from}{visibility:visible}${after}}${animation}`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(width)} ${round(height)}" width="${round(width)}" role="img" xml:space="preserve">
<title>${escape(title)}</title>
<style>
text{font-size:${CELL.font}px;font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:${COLORS.text};white-space:pre}
.f{visibility:hidden}#f${frames.length - 1}{visibility:visible}.b{font-weight:bold}.d{opacity:.6}
${COLORS.palette.map((color, index) => `.c${index}{fill:${color}}`).join('')}
${steps.join('\n')}
@media (prefers-reduced-motion:reduce){.f{animation:none!important}}
</style>
<rect width="100%" height="100%" rx="8" fill="${COLORS.background}"/>
<path d="M0 ${BAR}V8a8 8 0 0 1 8-8H${round(width - 8)}a8 8 0 0 1 8 8V${BAR}z" fill="${COLORS.bar}"/>
<text x="${round(width / 2)}" y="${BAR - 8}" text-anchor="middle" class="d">${escape(title)}</text>
<defs>
${[...lines].map(([drawn, id]) => `<g id="${id}">${drawn}</g>`).join('\n')}
</defs>
<g transform="translate(${PADDING} ${BAR + PADDING + CELL.font - 2})">
${groups.join('\n')}
</g>
</svg>
`
}

/** Draws text stretched to its cells, because fonts differ in width. */
function piece({ column, text, color, bold = false, dim = false }) {
  const cells = [...text].length
  const classes = [bold && 'b', dim && 'd', color !== undefined && `c${color % 8}`].filter(Boolean).join(' ')
  const place = `x="${round(column * CELL.width)}" textLength="${round(cells * CELL.width)}"`
  return `<text ${place}${classes ? ` class="${classes}"` : ''}>${escape(text)}</text>`
}

function round(number) {
  return Number(number.toFixed(2))
}

function escape(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
