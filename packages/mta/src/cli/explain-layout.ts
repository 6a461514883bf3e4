/**
 * Lines of an explanation: indented, labelled, folded at the edge of the terminal. All text goes through here, so that
 * whatever a peer wrote is harmless when it is printed: no control characters, no reversed text, no endless lines. Pure.
 */
import { foreignText } from '../observability/log-line.ts'
import { coloured, type Tone } from './colour.ts'

export interface ExplainPaper {
  /** Undefined: nothing is folded. */
  readonly width: number | undefined
  readonly colours: boolean
  /** UTC milliseconds. */
  readonly now: number
}

export interface Line {
  readonly indent: number
  /** In front of the text; what is folded hangs below the text. */
  readonly label?: string
  /** Columns for the label, at least. */
  readonly labelWidth?: number
  readonly labelTone?: Tone
  readonly text: string
  readonly tone?: Tone
}

/** Narrower than this, folding would leave a column of words. */
const TEXT_WIDTH_MIN = 24

export function layOut(lines: readonly Line[], paper: ExplainPaper): string {
  return lines.map((line) => laidOut(line, paper)).join('')
}

function laidOut({ indent, label, labelWidth = 0, labelTone, text, tone }: Line, paper: ExplainPaper): string {
  const shown = label === undefined ? '' : foreignText(label)
  const columns = label === undefined ? 0 : Math.max(labelWidth, widthOf(shown)) + 1
  const room = paper.width === undefined ? Number.POSITIVE_INFINITY : paper.width - indent - columns
  const margin = ' '.repeat(indent)
  const head = label === undefined ? '' : paint(shown, labelTone, paper) + ' '.repeat(columns - widthOf(shown))
  return folded(foreignText(text), Math.max(room, TEXT_WIDTH_MIN))
    .map((part, index) => margin + (index === 0 ? head : ' '.repeat(columns)) + paint(part, tone, paper))
    .map((line) => `${line.trimEnd()}\n`)
    .join('')
}

function paint(text: string, tone: Tone | undefined, { colours }: ExplainPaper): string {
  return tone === undefined || text === '' ? text : coloured(text, tone, colours)
}

/** At spaces; a word that is too long stands alone, so that it can still be copied. */
function folded(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.match(UNBROKEN) ?? []) {
    const longer = line === '' ? word : `${line} ${word}`
    if (line !== '' && widthOf(longer) > width) {
      lines.push(line)
      line = word
    } else line = longer
  }
  return [...lines, line]
}

/** References stay in one piece. */
const UNBROKEN = /\[RFC [^\]]{1,60}\]|\S+/g

function widthOf(text: string): number {
  return [...text].length
}

/** RFC 8461 §4.1, RFC 8461 §4.2 → [RFC 8461 §4.1, §4.2] */
export function references(rfc: readonly string[]): string {
  if (rfc.length === 0) return ''
  const texts = rfc.map((reference, index) => {
    const [document = '', section] = reference.split(' §')
    const before = rfc[index - 1]?.split(' §')[0]
    return section !== undefined && before === document ? `§${section}` : reference
  })
  return ` [${texts.join(', ')}]`
}
