/** What charts and the page around them share: a line with its name and colour, and text that is safe in SVG. Pure. */
import type { Series } from './prometheus-api.ts'

export interface Line {
  readonly name: string
  readonly color: string
  readonly points: Series['points']
}

export const TEXT = '#24292f'

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
