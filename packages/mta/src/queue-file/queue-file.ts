/**
 * A queue file: whole messages, one after the other, in a form that a stream can be written and read in
 * (docs/operating/queue-moving.md tells it to others). Pure.
 *
 *   hermetic-queue 1 LF
 *   <word> <number> <octets of facts> <octets of content> LF
 *   facts as JSON LF
 *   content LF
 *   SHA-256 in hexadecimal of everything in this block before it LF
 *
 * Blocks, in this order: one `header` (number 0), `message` 1 to n, one `end` (number n + 1). Without its end a file is
 * not complete. A reader that knows only version 1 must not read another.
 */

export const MAGIC = 'hermetic-queue'
export const VERSION = 1

/** A head line: three numbers of at most 15 digits. */
export const HEAD_OCTETS_MAX = 80
/** Facts of a message to thousands of recipients, each with its last outcome, stay well below. */
export const FACTS_OCTETS_MAX = 64 * 1024 * 1024

export type BlockWord = 'header' | 'message' | 'end'

export interface BlockHead {
  readonly word: BlockWord
  readonly number: number
  readonly factsOctets: number
  readonly contentOctets: number
}

export interface QueueFileHeader {
  /** The file's own name for ever (a UUID): how far it was taken in is remembered by it. */
  readonly file: string
  /** `move`: the queue that it comes from gives its messages up. `copy`: it goes on with them. */
  readonly kind: 'move' | 'copy'
  /** The relay that wrote it. */
  readonly from: string
  /** UTC milliseconds. */
  readonly at: number
  /** Of the program that wrote it. */
  readonly version: string
}

export interface QueueFileEnd {
  readonly messages: number
}

export type QueueFileDamage =
  | { readonly kind: 'not-a-queue-file' }
  | { readonly kind: 'newer-version'; readonly found: number; readonly supported: number }
  /** It ends in the middle, or without its end. */
  | { readonly kind: 'truncated' }
  /** The octets are not those that were written. */
  | { readonly kind: 'wrong-checksum'; readonly number: number }
  /** The octets are intact, but they are no block that may stand here. */
  | { readonly kind: 'malformed'; readonly number: number; readonly detail: string }
  | { readonly kind: 'more-after-the-end' }

/** What is wrong with a file, and where: everything before this octet is intact. */
export class QueueFileDamaged extends Error {
  override readonly name = 'QueueFileDamaged'
  readonly damage: QueueFileDamage
  readonly at: number

  constructor(damage: QueueFileDamage, at: number) {
    super(`${damage.kind} at octet ${at}`)
    this.damage = damage
    this.at = at
  }
}

const HEAD = /^(header|message|end) (\d{1,15}) (\d{1,15}) (\d{1,15})$/

export function formatHead({ word, number, factsOctets, contentOctets }: BlockHead): string {
  return `${word} ${number} ${factsOctets} ${contentOctets}\n`
}

export function parseHead(line: string): BlockHead | undefined {
  const [, word, number, factsOctets, contentOctets] = HEAD.exec(line) ?? []
  if (word === undefined) return undefined
  return {
    // One of the three, or the expression had not matched.
    word: word as BlockWord,
    number: Number(number),
    factsOctets: Number(factsOctets),
    contentOctets: Number(contentOctets),
  }
}

const FIRST_LINE = new RegExp(`^${MAGIC} (\\d{1,9})$`)

/** Undefined when it is the first line of no queue file. */
export function parseFirstLine(line: string): number | undefined {
  const [, version] = FIRST_LINE.exec(line) ?? []
  return version === undefined ? undefined : Number(version)
}

export function parseHeader(facts: unknown): QueueFileHeader | undefined {
  if (typeof facts !== 'object' || facts === null) return undefined
  const { file, kind, from, at, version } = facts as Readonly<Record<string, unknown>>
  if (typeof file !== 'string' || !/^[0-9a-f-]{36}$/.test(file) || (kind !== 'move' && kind !== 'copy'))
    return undefined
  if (typeof from !== 'string' || !Number.isSafeInteger(at) || typeof version !== 'string') return undefined
  return { file, kind, from, at: Number(at), version }
}

export function parseEnd(facts: unknown): QueueFileEnd | undefined {
  if (typeof facts !== 'object' || facts === null || !('messages' in facts)) return undefined
  return Number.isSafeInteger(facts.messages) ? { messages: Number(facts.messages) } : undefined
}
