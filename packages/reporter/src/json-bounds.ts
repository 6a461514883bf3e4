/**
 * Whether a JSON text is small enough to be parsed: how deep it nests and how many values it can hold, counted without
 * building any of them. A text within the bounds may still be no JSON. Pure.
 */
export interface JsonBounds {
  readonly depthMax: number
  readonly valuesMax: number
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const OPENING: ReadonlySet<number> = new Set([0x5b, 0x7b])
const CLOSING: ReadonlySet<number> = new Set([0x5d, 0x7d])

/** In UTF-8 no octet of a longer character looks like one of these. */
export function jsonExcess(text: Uint8Array, { depthMax, valuesMax }: JsonBounds): 'depth' | 'values' | undefined {
  let depth = 0
  let values = 1
  let inString = false
  for (let at = 0; at < text.length; at += 1) {
    const octet = text[at] ?? 0
    if (inString) {
      if (octet === BACKSLASH) at += 1
      else if (octet === QUOTE) inString = false
      continue
    }
    if (octet === QUOTE) inString = true
    else if (octet === COMMA) values += 1
    else if (OPENING.has(octet)) {
      depth += 1
      values += 1
    } else if (CLOSING.has(octet)) depth -= 1
    if (depth > depthMax) return 'depth'
    if (values > valuesMax) return 'values'
  }
  return undefined
}
