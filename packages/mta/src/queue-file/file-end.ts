/** Whether a file on disk is a queue file that has its end: told by its first and last octets, without reading the rest. */
import { type FileHandle, open } from 'node:fs/promises'
import { HEAD_OCTETS_MAX, MAGIC, parseHead } from './queue-file.ts'

/** The end block: its head, its facts, its checksum. */
const END_OCTETS_MAX = 512

export async function fileStanding(path: string): Promise<'complete' | 'without-end' | 'not-a-queue-file'> {
  const file = await open(path, 'r')
  try {
    const first = Buffer.alloc(MAGIC.length)
    await file.read(first, 0, first.length, 0)
    if (first.toString('latin1') !== MAGIC) return 'not-a-queue-file'
    return (await hasEnd(file)) ? 'complete' : 'without-end'
  } finally {
    await file.close()
  }
}

async function hasEnd(file: FileHandle): Promise<boolean> {
  const { size } = await file.stat()
  const tail = Buffer.alloc(Math.min(size, END_OCTETS_MAX))
  await file.read(tail, 0, tail.length, size - tail.length)
  const at = tail.lastIndexOf('\nend ') + 1
  const head = parseHead(tail.toString('latin1', at, Math.max(at, tail.indexOf('\n', at))))
  if (head === undefined || head.word !== 'end' || head.factsOctets > HEAD_OCTETS_MAX) return false
  const headOctets = tail.indexOf('\n', at) + 1 - at
  // Facts, two line feeds, a checksum with its own.
  return at + headOctets + head.factsOctets + 2 + 65 === tail.length
}
