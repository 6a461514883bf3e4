/**
 * TypeScript source with the insides of comments and strings blanked out, every other character in its place.
 * Rules about code look at this text, so that a word in a sentence is never mistaken for code. Pure.
 *
 * A scanner and not a parser: it knows comments, the three kinds of strings with nested `${}`, and regular
 * expressions by what stands before them. That is exact for code in the project's format.
 */
export interface BlankedSource {
  /** Comments and the contents of strings are spaces. */
  readonly code: string
  /** Only comments are spaces. */
  readonly withStrings: string
}

/** Before a slash these mean that a regular expression begins. */
const BEFORE_REGEX =
  /(?:^|[(,=:[!&|?{};+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|delete|await|yield|throw))\s*$/

export function blank(text: string): BlankedSource {
  const code = text.split('')
  const withStrings = text.split('')
  const erase = (target: string[], from: number, to: number) => {
    for (let at = from; at < to; at++) if (target[at] !== '\n') target[at] = ' '
  }
  /** Depths of `{` at which a template's `${` was opened. */
  const templates: number[] = []
  let depth = 0
  let at = 0
  const string = (from: number, to: number) => {
    erase(code, from, to)
    return to
  }
  while (at < text.length) {
    const char = text[at]
    const pair = text.slice(at, at + 2)
    if (pair === '//' || pair === '/*') {
      const end = endOfComment(text, at, pair)
      erase(code, at, end)
      erase(withStrings, at, end)
      at = end
    } else if (char === "'" || char === '"') {
      at = string(at + 1, endOfQuoted(text, at + 1, char)) + 1
    } else if (char === '`' || (char === '}' && templates.at(-1) === depth)) {
      if (char === '}') templates.pop()
      const end = endOfTemplateText(text, at + 1)
      at = string(at + 1, end)
      if (text.startsWith('${', at)) {
        templates.push(depth)
        at += 2
      } else at += 1
    } else if (char === '/' && BEFORE_REGEX.test(text.slice(Math.max(0, at - 40), at))) {
      at = string(at + 1, endOfRegex(text, at + 1)) + 1
    } else {
      if (char === '{') depth += 1
      if (char === '}') depth -= 1
      at += 1
    }
  }
  return { code: code.join(''), withStrings: withStrings.join('') }
}

function endOfComment(text: string, from: number, opener: string): number {
  if (opener === '//') {
    const end = text.indexOf('\n', from)
    return end === -1 ? text.length : end
  }
  const end = text.indexOf('*/', from + 2)
  return end === -1 ? text.length : end + 2
}

function endOfQuoted(text: string, from: number, quote: string): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === quote || text[at] === '\n') return at
  }
  return text.length
}

/** At the closing backtick or at `${`. */
function endOfTemplateText(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '\\') at += 1
    else if (text[at] === '`' || text.startsWith('${', at)) return at
  }
  return text.length
}

function endOfRegex(text: string, from: number): number {
  let inClass = false
  for (let at = from; at < text.length; at++) {
    const char = text[at]
    if (char === '\\') at += 1
    else if (char === '[') inClass = true
    else if (char === ']') inClass = false
    else if ((char === '/' && !inClass) || char === '\n') return at
  }
  return text.length
}

export function lineOf(text: string, index: number): number {
  return text.slice(0, index).split('\n').length
}
