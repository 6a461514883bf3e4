/** The mailboxes of a From field, to see whose key signs: RFC 5322 §3.6.2, groups as in RFC 6854. Pure. */
import type { MailAddress } from '../smtp/mail-address.ts'
import { parseMailbox } from '../submission/address.ts'

/** `body`: one character for each octet, folding included. Undefined when one of them cannot be read, or none is there. */
export function authors(body: string): readonly MailAddress[] | undefined {
  const texts = addressTexts(Buffer.from(body, 'latin1').toString('utf8').replace(/\r\n/g, ''))
  const addresses = texts.map((text) => parseMailbox(text.trim()))
  const read = addresses.flatMap((address) => (address.ok ? [address.value] : []))
  return read.length === texts.length && read.length > 0 ? read : undefined
}

/** Comments and display names removed; what stands between angle brackets wins over what stands beside them. */
function addressTexts(body: string): readonly string[] {
  const texts: string[] = []
  let beside = ''
  let between: string | undefined
  let comment = 0
  let quoted = false
  let angle = false
  const keep = (character: string): void => {
    if (angle) between = (between ?? '') + character
    else beside += character
  }
  const close = (): void => {
    const text = between ?? beside
    if (text.trim() !== '') texts.push(text)
    beside = ''
    between = undefined
  }
  for (let at = 0; at < body.length; at += 1) {
    const character = body[at] ?? ''
    if (character === '\\' && (quoted || comment > 0)) {
      at += 1
      if (quoted) keep(`\\${body[at] ?? ''}`)
    } else if (quoted) {
      quoted = character !== '"'
      keep(character)
    } else if (character === '(') comment += 1
    else if (comment > 0) comment -= character === ')' ? 1 : 0
    else if (character === '"') {
      quoted = true
      keep(character)
    } else if (character === '<') {
      angle = true
      between = ''
    } else if (character === '>') angle = false
    else if (!angle && (character === ',' || character === ';')) close()
    else if (!angle && character === ':') beside = ''
    else keep(character)
  }
  close()
  return texts
}
