/** Colours for verdicts, only where they are wanted: on a terminal, without NO_COLOR (no-color.org). Pure. */
import { styleText } from 'node:util'

const STYLES = { good: 'green', warning: 'yellow', bad: 'red', quiet: 'dim', strong: 'bold' } as const

export type Tone = keyof typeof STYLES

export function coloured(text: string, tone: Tone, colours: boolean): string {
  return colours ? styleText(STYLES[tone], text, { validateStream: false }) : text
}

export function hasColours(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): boolean {
  return stream.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb'
}
