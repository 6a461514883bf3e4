/**
 * How many mailboxes a From field names: RFC 5322 §3.6.2, groups as in RFC 6854. Pure.
 *
 * Only separators are looked for; comments, quoted strings and angle brackets hide them. The addresses
 * themselves are not judged here.
 */

/** `body` is the field body, unfolded. */
export function countMailboxes(body: string): number {
  let count = 0
  let filled = false
  let comment = 0
  let quoted = false
  let angle = false
  for (let at = 0; at < body.length; at += 1) {
    const character = body[at]
    if (character === '\\' && (quoted || comment > 0)) {
      at += 1
      filled ||= quoted
    } else if (quoted) {
      if (character === '"') quoted = false
    } else if (character === '(') {
      comment += 1
    } else if (comment > 0) {
      if (character === ')') comment -= 1
    } else if (character === '"') {
      quoted = true
      filled = true
    } else if (character === '<' || character === '>') {
      angle = character === '<'
      filled = true
    } else if (!angle && (character === ',' || character === ';')) {
      if (filled) count += 1
      filled = false
    } else if (!angle && character === ':') {
      // What stood in front was the name of a group.
      filled = false
    } else if (character !== ' ' && character !== '\t') {
      filled = true
    }
  }
  return filled ? count + 1 : count
}
