/**
 * Writes a queue file onto a sink, block after block. Small blocks are gathered, so that a file of many small messages
 * takes few writes; contents pass through. Knows the form, not where the octets go.
 */
import { createHash, type Hash } from 'node:crypto'
import { invariant } from '@hermetic/policy'
import type { Content } from '../spool/spool.ts'
import type { WholeMessage } from '../spool/whole-message.ts'
import { formatHead, MAGIC, type QueueFileHeader, VERSION } from './queue-file.ts'

const GATHERED_OCTETS = 256 * 1024

/** Where the octets go; awaited before the next call. */
export type QueueFileSink = (octets: Uint8Array) => Promise<void>

export class QueueFileWriter {
  readonly #sink: QueueFileSink
  #gathered: Uint8Array[] = []
  #octets = 0
  #number: number

  /** `messages`: of a file that goes on, those that it has already. */
  constructor(sink: QueueFileSink, messages = 0) {
    this.#sink = sink
    this.#number = messages
  }

  /** Messages written so far. */
  get messages(): number {
    return this.#number
  }

  async header(header: QueueFileHeader): Promise<void> {
    await this.#put(Buffer.from(`${MAGIC} ${VERSION}\n`))
    await this.#block({ word: 'header', number: 0, facts: header })
  }

  async message(message: WholeMessage, content: Content): Promise<void> {
    await this.#block({ word: 'message', number: this.#number + 1, facts: message, content })
    this.#number += 1
  }

  /** After this all octets are with the sink. */
  async end(): Promise<void> {
    await this.#block({ word: 'end', number: this.#number + 1, facts: { messages: this.#number } })
    await this.flush()
  }

  async flush(): Promise<void> {
    if (this.#octets === 0) return
    const octets = Buffer.concat(this.#gathered, this.#octets)
    this.#gathered = []
    this.#octets = 0
    await this.#sink(octets)
  }

  async #block(block: {
    readonly word: 'header' | 'message' | 'end'
    readonly number: number
    readonly facts: unknown
    readonly content?: Content
  }): Promise<void> {
    const { word, number, content } = block
    const facts = Buffer.from(JSON.stringify(block.facts))
    const contentOctets = content?.size ?? 0
    const hash = createHash('sha256')
    await this.#hashed(hash, Buffer.from(formatHead({ word, number, factsOctets: facts.length, contentOctets })))
    await this.#hashed(hash, facts)
    await this.#hashed(hash, LINE_FEED)
    if (content !== undefined) await this.#content(hash, content)
    await this.#hashed(hash, LINE_FEED)
    await this.#put(Buffer.from(`${hash.digest('hex')}\n`))
  }

  async #content(hash: Hash, content: Content): Promise<void> {
    if (content.kind === 'memory') return await this.#hashed(hash, content.bytes)
    let octets = 0
    for await (const chunk of content.open() as AsyncIterable<Buffer>) {
      octets += chunk.length
      await this.#hashed(hash, chunk)
    }
    invariant(octets === content.size, 'a content file is as long as it was when it was verified')
  }

  async #hashed(hash: Hash, octets: Uint8Array): Promise<void> {
    hash.update(octets)
    await this.#put(octets)
  }

  async #put(octets: Uint8Array): Promise<void> {
    this.#gathered.push(octets)
    this.#octets += octets.byteLength
    if (this.#octets >= GATHERED_OCTETS) await this.flush()
  }
}

const LINE_FEED = Buffer.from('\n')
