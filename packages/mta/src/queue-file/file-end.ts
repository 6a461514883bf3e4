/** Whether a file on disk has its end: told by its last octets, without reading the rest. */
import { open } from 'node:fs/promises'
import { HEAD_OCTETS_MAX, parseHead } from './queue-file.ts'

/** The end block: its head, its facts, its checksum. */
const END_OCTETS_MAX = 512

export async function isComplete(path: string): Promise<boolean> {
  const file = await open(path, 'r')
  try {
    const { size } = await file.stat()
    const tail = Buffer.alloc(Math.min(size, END_OCTETS_MAX))
    await file.read(tail, 0, tail.length, size - tail.length)
    const at = tail.lastIndexOf('\nend ') + 1
    const head = parseHead(tail.toString('latin1', at, Math.max(at, tail.indexOf('\n', at))))
    if (head === undefined || head.word !== 'end' || head.factsOctets > HEAD_OCTETS_MAX) return false
    const headOctets = tail.indexOf('\n', at) + 1 - at
    // Facts, two line feeds, a checksum with its own.
    return at + headOctets + head.factsOctets + 2 + 65 === tail.length
  } finally {
    await file.close()
  }
}
