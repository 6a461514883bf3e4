/**
 * White space as the grammars of MTA-STS mean it (RFC 5234 appendix B.1, WSP): space and tab, nothing else. The
 * language's `trim()` knows more kinds, and expressions like `/ +$/` need quadratic time on hostile text. Pure.
 */
export function stripLeading(text: string): string {
  let start = 0
  while (isWhiteSpace(text[start])) start += 1
  return text.slice(start)
}

export function stripTrailing(text: string): string {
  let end = text.length
  while (isWhiteSpace(text[end - 1])) end -= 1
  return text.slice(0, end)
}

function isWhiteSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}
