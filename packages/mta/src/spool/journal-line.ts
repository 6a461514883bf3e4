/**
 * One line of an append-only journal: checksum, length and JSON, so that a torn or damaged line is recognised
 * and skipped instead of believed. Pure.
 */
import { crc32 } from 'node:zlib'

export function formatJournalLine(entry: unknown): string {
  const json = JSON.stringify(entry)
  return `${crc32(json).toString(16).padStart(8, '0')} ${Buffer.byteLength(json)} ${json}\n`
}

const LINE = /^([0-9a-f]{8}) (\d{1,10}) (.*)$/s

export interface JournalLines {
  /** In the order written; their shape is for the caller to check. */
  readonly entries: readonly unknown[]
  readonly damagedLines: number
}

export function parseJournalLines(text: string): JournalLines {
  const entries: unknown[] = []
  let damagedLines = 0
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, checksum, length, json] = LINE.exec(line) ?? []
    const intact =
      json !== undefined &&
      Buffer.byteLength(json) === Number(length) &&
      crc32(json).toString(16).padStart(8, '0') === checksum
    if (intact) entries.push(JSON.parse(json))
    else damagedLines += 1
  }
  return { entries, damagedLines }
}
