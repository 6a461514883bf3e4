/**
 * The end of what a program writes, as one clean line: what a person needs to know when it is gone. Pure but for its
 * memory.
 */
import { cleanText } from './clean-text.ts'

const BYTES_KEPT = 4_096
const LINES_TOLD = 3
/** `[1763800000] unbound[42:0] error: ` */
const PREFIX = /^\[\d+\] \S+\[\d+:[\da-f]+\] (?:fatal )?(?:error: )?/
/** What it says of its ordinary work, and of zones whose signatures are wrong. */
const EVERYDAY = /^(?:info|notice|debug): /

export class LastWords {
  #text = ''

  add(chunk: Buffer): void {
    this.#text = (this.#text + chunk.toString('utf8')).slice(-BYTES_KEPT)
  }

  get text(): string {
    const lines = this.#text.split('\n').flatMap((line) => {
      const told = line.replace(PREFIX, '').trim()
      return told === '' || EVERYDAY.test(told) ? [] : [told]
    })
    return cleanText(lines.slice(-LINES_TOLD).join('; '))
  }
}
