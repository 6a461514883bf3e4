/**
 * One message's content on its way into the spool: hygiene on every octet, the header once and whole, our
 * Received on top, the body as it comes. Small messages leave in one write, large ones in blocks.
 *
 * A message found unfit is dropped at once and read to its real end (SMUG-02, RFC 1870 §6.1); the reason waits
 * for `finish`. Knows no SMTP replies and no recipients.
 */
import { isAscii } from 'node:buffer'
import type { BeginSignature, MessageSignature, SigningFacts, SigningOutcome } from '../signing/dkim.ts'
import type { ContentSink, NewContent } from '../spool/spool.ts'
import { LineEndRepair } from './line-end-repair.ts'
import { LineScanner } from './line-scanner.ts'
import { cleanHeader, type HeaderFacts, type HygieneContext } from './message-hygiene.ts'
import type { ContentProblem } from './replies.ts'
import { SevenBitEncoder } from './seven-bit-encoder.ts'

export interface ContentProfile {
  readonly hygiene: HygieneContext
  /** The Received field with its CRLF. */
  readonly trace: string
  readonly repairLineEnds: boolean
  /** Bodies in eight bits leave here in seven (DKIM-10). */
  readonly encodeEightBit: boolean
  readonly messageBytesMax: number
  readonly headerBytesMax: number
  /** Absent: nothing is signed here. */
  readonly signing?: { readonly begin: BeginSignature; readonly facts: SigningFacts }
}

export type ContentOutcome =
  | {
      readonly kind: 'complete'
      readonly content: NewContent
      /** Octets kept, our trace field included. */
      readonly size: number
      readonly facts: HeaderFacts
      readonly eightBitBody: boolean
      readonly dkim?: SigningOutcome
    }
  | { readonly kind: 'refused'; readonly problem: ContentProblem }
  /** Nothing is wrong with the message, but unsigned it is not taken (DKIM-15). */
  | { readonly kind: 'not-signed'; readonly error: unknown }

/** What is gathered before the sink is asked to take it; one write for nearly every message. */
const BLOCK_OCTETS = 128 * 1024
const HEADER_END = '\r\n\r\n'
const EMPTY_LINE_OCTETS = 2

export class ContentReceiver {
  readonly #profile: ContentProfile
  readonly #sink: ContentSink
  readonly #scanner = new LineScanner()
  readonly #lineEnds = new LineEndRepair()
  readonly #encoder: SevenBitEncoder | undefined
  #problem: ContentProblem | undefined
  #received = 0
  /** The header while it arrives, in pieces; undefined once it was handled. */
  #header: Buffer[] | undefined = []
  #headerOctets = 0
  #eightBitBody = false
  #facts: HeaderFacts | undefined
  #signature: MessageSignature | undefined
  #dkim: SigningOutcome | undefined
  #block: Buffer[] = []
  #blockOctets = 0
  #size = 0

  constructor(profile: ContentProfile, sink: ContentSink) {
    this.#profile = profile
    this.#encoder = profile.encodeEightBit ? new SevenBitEncoder() : undefined
    this.#sink = sink
  }

  /** A slice of un-stuffed content; the promise is backpressure. */
  write(received: Buffer): void | Promise<void> {
    if (this.#problem !== undefined) return
    const slice = this.#profile.repairLineEnds ? this.#lineEnds.repair(received) : received
    this.#received += slice.length
    const problem = this.#received > this.#profile.messageBytesMax ? 'too-large' : this.#scanner.scan(slice)
    if (problem !== undefined) return this.#refuse(problem)
    const refused = this.#take(this.#encoder?.push(slice) ?? slice)
    if (refused !== undefined) return this.#refuse(refused)
    if (this.#blockOctets >= BLOCK_OCTETS) return this.#flush()
  }

  /** After the final dot. */
  async finish(): Promise<ContentOutcome> {
    const last =
      this.#problem === undefined && this.#encoder !== undefined ? this.#take(this.#encoder.finish()) : undefined
    if (last !== undefined) await this.#refuse(last)
    if (this.#problem === undefined && this.#header !== undefined) {
      // No empty line: the message is all header (RFC 5322 §3.5 makes the body optional).
      const refused = this.#closeHeader(Buffer.concat(this.#header), this.#headerOctets)
      if (refused !== undefined) await this.#refuse(refused)
    }
    const facts = this.#facts
    if (this.#problem === undefined && this.#eightBitBody && facts?.hasMimeVersion === false) {
      // RFC 5321 §2.4, RFC 6152 §2: 8-bit content that is not MIME must not be sent as 8BITMIME.
      await this.#refuse('eight-bit-without-mime')
    }
    if (this.#problem !== undefined || facts === undefined) {
      return { kind: 'refused', problem: this.#problem ?? 'malformed-header' }
    }
    let signatures: Buffer | undefined
    try {
      signatures = await this.#signature?.finish()
    } catch (error) {
      await this.#refuse('malformed-header')
      return { kind: 'not-signed', error }
    }
    await this.#flush()
    const content = await this.#sink.finish(signatures)
    const dkim = this.#dkim === undefined ? {} : { dkim: this.#dkim }
    return { kind: 'complete', content, size: this.#size, facts, eightBitBody: this.#eightBitBody, ...dkim }
  }

  /** The client went away, or the session ends. */
  async abort(): Promise<void> {
    if (this.#problem === undefined) await this.#sink.discard()
    this.#problem ??= 'malformed-header'
  }

  #take(slice: Buffer): ContentProblem | undefined {
    return this.#header === undefined ? this.#keepBody(slice) : this.#takeHeader(this.#header, slice)
  }

  #takeHeader(pieces: Buffer[], slice: Buffer): ContentProblem | undefined {
    const before = this.#headerOctets
    // The end may stand across two slices; joining all of them each time would cost the square of their number.
    const tail = endOf(pieces, HEADER_END.length - 1)
    const seam = tail.length === 0 ? slice : Buffer.concat([tail, slice])
    pieces.push(slice)
    this.#headerOctets += slice.length
    const end = before < 2 && startsWithEmptyLine(seam) ? 0 : endOfFields(seam, before - tail.length)
    if (end !== undefined) return this.#closeHeader(joined(pieces), end)
    return this.#headerOctets > this.#profile.headerBytesMax ? 'header-too-large' : undefined
  }

  /** `end`: behind the last field; what follows is the empty line and the body. */
  #closeHeader(received: Buffer, end: number): ContentProblem | undefined {
    this.#header = undefined
    if (end > this.#profile.headerBytesMax) return 'header-too-large'
    const clean = cleanHeader(received.subarray(0, end), this.#profile.hygiene)
    if (!clean.ok) return clean.error
    const { kept, added, facts } = clean.value
    this.#facts = facts
    this.#beginSignature(Buffer.concat([...kept, Buffer.from(added)]))
    this.#keep(Buffer.from(this.#profile.trace))
    for (const range of kept) this.#keep(range)
    if (added !== '') this.#keep(Buffer.from(added))
    if (end === received.length) return undefined
    const body = end + EMPTY_LINE_OCTETS
    this.#keep(received.subarray(end, body))
    if (body < received.length) this.#keepBody(received.subarray(body))
    return undefined
  }

  /** The trace field stays outside of it (DKIM-06). */
  #beginSignature(header: Buffer): void {
    const { signing } = this.#profile
    if (signing === undefined) return
    const begun = signing.begin(header, signing.facts)
    this.#dkim = begun.kind === 'unsigned' ? begun : begun.signature.outcome
    if (begun.kind === 'unsigned') return
    this.#signature = begun.signature
    this.#sink.reserve(begun.signature.octets)
    this.#size += begun.signature.octets
  }

  #keepBody(octets: Buffer): undefined {
    this.#eightBitBody ||= !isAscii(octets)
    this.#signature?.body(octets)
    this.#keep(octets)
  }

  #keep(octets: Buffer): void {
    this.#block.push(octets)
    this.#blockOctets += octets.length
    this.#size += octets.length
  }

  async #flush(): Promise<void> {
    if (this.#blockOctets === 0) return
    const block = joined(this.#block)
    this.#block = []
    this.#blockOctets = 0
    await this.#sink.write(block)
  }

  async #refuse(problem: ContentProblem): Promise<void> {
    this.#problem = problem
    this.#header = undefined
    this.#block = []
    this.#blockOctets = 0
    await this.#sink.discard()
  }
}

/** One buffer, without a copy when it is one already. */
function joined(pieces: readonly Buffer[]): Buffer {
  const [only] = pieces
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces)
}

/** At most `octets` octets from the end. */
function endOf(pieces: readonly Buffer[], octets: number): Buffer {
  const last = pieces.at(-1)
  if (last === undefined || last.length >= octets) return last?.subarray(last.length - octets) ?? Buffer.alloc(0)
  return Buffer.concat(pieces.slice(-octets)).subarray(-octets)
}

function startsWithEmptyLine(start: Buffer): boolean {
  return start[0] === 0x0d && start[1] === 0x0a
}

/** Behind the CRLF of the last field; `offset` is where `seam` begins in the header. */
function endOfFields(seam: Buffer, offset: number): number | undefined {
  const found = seam.indexOf(HEADER_END)
  return found === -1 ? undefined : offset + found + 2
}
