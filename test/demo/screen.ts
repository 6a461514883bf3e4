/**
 * The demo's table: drawn again in its place on a terminal, printed once when it is complete elsewhere.
 */
import { coloured, type Tone } from '../../packages/mta/src/cli/colour.ts'

export interface Cell {
  readonly text: string
  readonly tone?: Tone
}

export type Row = readonly Cell[]

export interface Paper {
  readonly width: number
  readonly colours: boolean
}

const GAP = 2
/** Nothing is cut below this. */
const COLUMN_MIN = 8

/** As many columns as titles; what does not fit the paper is cut, the widest column first. Pure. */
export function tableLines(titles: readonly string[], rows: readonly Row[], paper: Paper): readonly string[] {
  const wanted = titles.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => [...(row[index]?.text ?? '')].length)),
  )
  const widths = fitted(wanted, paper.width)
  const head = titles.map((text): Cell => ({ text, tone: 'strong' }))
  return [head, ...rows].map((row) =>
    row
      .map(({ text, tone }, index) => {
        const width = widths[index] ?? COLUMN_MIN
        const shown = cut(text, width)
        const padding = index === titles.length - 1 ? '' : ' '.repeat(width - [...shown].length + GAP)
        return `${tone === undefined ? shown : coloured(shown, tone, paper.colours)}${padding}`
      })
      .join('')
      .trimEnd(),
  )
}

function fitted(wanted: readonly number[], width: number): readonly number[] {
  const widths = [...wanted]
  const total = () => widths.reduce((sum, one) => sum + one + GAP, -GAP)
  while (total() > width) {
    const widest = widths.indexOf(Math.max(...widths))
    const current = widths[widest] ?? COLUMN_MIN
    if (current <= COLUMN_MIN) break
    widths[widest] = current - 1
  }
  return widths
}

function cut(text: string, width: number): string {
  const characters = [...text]
  return characters.length <= width ? text : `${characters.slice(0, width - 1).join('')}…`
}

/** Lines that replace each other on a terminal. */
export class Redrawn {
  readonly #write: (text: string) => void
  #drawn = 0

  constructor(write: (text: string) => void) {
    this.#write = write
  }

  draw(lines: readonly string[]): void {
    const up = this.#drawn > 0 ? `\u001b[${this.#drawn}A` : ''
    this.#write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join('')}`)
    this.#drawn = lines.length
  }
}
