/**
 * Reads a queue file from a stream, block after block: every octet is vouched for by its checksum before anybody acts
 * on the block, and a message is a message of a spool (`read-whole-message.ts`) or the file is malformed. Knows the
 * form, not where the octets come from.
 */
import { createHash, type Hash } from 'node:crypto'
import type { WholeMessage } from '../spool/whole-message.ts'
import { OctetReader } from './octet-reader.ts'
import {
  type BlockHead,
  FACTS_OCTETS_MAX,
  HEAD_OCTETS_MAX,
  parseEnd,
  parseFirstLine,
  parseHead,
  parseHeader,
  type QueueFileDamage,
  QueueFileDamaged,
  type QueueFileHeader,
  VERSION,
} from './queue-file.ts'
import { readWholeMessage } from './read-whole-message.ts'

const CONTENT_CHUNK_OCTETS = 256 * 1024
/** 64 digits and a line feed. */
const CHECKSUM_OCTETS = 65

export interface QueueFileMessage {
  /** 1 for the first. */
  readonly number: number
  readonly message: WholeMessage
  readonly contentOctets: number
  /** To be read to its end before the next message; only then the block is vouched for. */
  content(): AsyncGenerator<Uint8Array>
}

export class QueueFileReader {
  readonly #octets: OctetReader
  #intactUpTo = 0

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#octets = new OctetReader(chunks)
  }

  /** Everything before this octet is whole blocks, verified. */
  get intactUpTo(): number {
    return this.#intactUpTo
  }

  /** Rejects with `QueueFileDamaged`, as everything here does. */
  async header(): Promise<QueueFileHeader> {
    const line = await this.#octets.line(HEAD_OCTETS_MAX)
    const version = line === undefined ? undefined : parseFirstLine(withoutLineFeed(line))
    if (version === undefined || version === 0) throw this.#damaged({ kind: 'not-a-queue-file' })
    if (version > VERSION) throw this.#damaged({ kind: 'newer-version', found: version, supported: VERSION })
    const { head, facts, hash } = await this.#opened(0)
    await this.#closed(head, hash)
    const header = head.word === 'header' ? parseHeader(facts()) : undefined
    if (header === undefined) throw this.#malformed(head, 'this is no header')
    return header
  }

  /** Ends after the end of the file was seen and everything was vouched for. */
  async *messages(): AsyncGenerator<QueueFileMessage> {
    for (let number = 1; ; number += 1) {
      const { head, facts, hash } = await this.#opened(number)
      if (head.word === 'message') {
        yield* this.#message(head, facts, hash)
        continue
      }
      await this.#closed(head, hash)
      const end = head.word === 'end' ? parseEnd(facts()) : undefined
      if (end?.messages !== number - 1) throw this.#malformed(head, 'this is no end of such a file')
      if (!(await this.#octets.isAtEnd())) throw this.#damaged({ kind: 'more-after-the-end' })
      return
    }
  }

  async *#message(head: BlockHead, facts: () => unknown, hash: Hash): AsyncGenerator<QueueFileMessage> {
    const { number, contentOctets } = head
    const message = readWholeMessage(facts())
    if (!message.ok) {
      // Damage in the facts is told as such.
      for await (const _ of this.#content(head, hash));
      throw this.#malformed(head, message.error)
    }
    let isRead = false
    const content = async function* (this: QueueFileReader): AsyncGenerator<Uint8Array> {
      yield* this.#content(head, hash)
      isRead = true
    }.bind(this)
    yield { number, message: message.value, contentOctets, content }
    if (!isRead) throw new Error('the content of a message is read before the next message')
  }

  async *#content(head: BlockHead, hash: Hash): AsyncGenerator<Uint8Array> {
    for (let left = head.contentOctets; left > 0; ) {
      const chunk = await this.#octets.some(Math.min(left, CONTENT_CHUNK_OCTETS))
      if (chunk === undefined) throw this.#damaged({ kind: 'truncated' })
      hash.update(chunk)
      left -= chunk.length
      yield chunk
    }
    await this.#closed(head, hash)
  }

  async #opened(number: number): Promise<{ head: BlockHead; facts: () => unknown; hash: Hash }> {
    if (await this.#octets.isAtEnd()) throw this.#damaged({ kind: 'truncated' })
    const line = await this.#octets.line(HEAD_OCTETS_MAX)
    const head = line === undefined ? undefined : parseHead(withoutLineFeed(line))
    if (line === undefined || head === undefined || head.number !== number || head.factsOctets > FACTS_OCTETS_MAX) {
      const ended = line === undefined && (await this.#endsSoon())
      throw this.#damaged(ended ? { kind: 'truncated' } : { kind: 'wrong-checksum', number })
    }
    const hash = createHash('sha256').update(line)
    const text = await this.#octets.exactly(head.factsOctets + 1)
    if (text === undefined) throw this.#damaged({ kind: 'truncated' })
    hash.update(text)
    return { head, hash, facts: () => jsonOf(text) }
  }

  /** A head line without an end: cut off there, unless more octets follow than any head line has. */
  async #endsSoon(): Promise<boolean> {
    return (await this.#octets.exactly(HEAD_OCTETS_MAX)) === undefined
  }

  async #closed({ number }: BlockHead, hash: Hash): Promise<void> {
    const feed = await this.#octets.exactly(1)
    const written = await this.#octets.exactly(CHECKSUM_OCTETS)
    if (feed === undefined || written === undefined) throw this.#damaged({ kind: 'truncated' })
    if (written.toString('latin1') !== `${hash.update(feed).digest('hex')}\n`) {
      throw this.#damaged({ kind: 'wrong-checksum', number })
    }
    this.#intactUpTo = this.#octets.at
  }

  #damaged(damage: QueueFileDamage): QueueFileDamaged {
    return new QueueFileDamaged(damage, this.#intactUpTo)
  }

  #malformed({ number }: BlockHead, detail: string): QueueFileDamaged {
    return this.#damaged({ kind: 'malformed', number, detail })
  }
}

function withoutLineFeed(line: Buffer): string {
  return line.toString('latin1', 0, line.length - 1)
}

/** Undefined when it is none. */
function jsonOf(text: Buffer): unknown {
  try {
    return JSON.parse(text.toString('utf8'))
  } catch {
    return undefined
  }
}
