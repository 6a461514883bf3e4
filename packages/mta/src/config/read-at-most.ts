/**
 * The beginning of a file whose length nobody promises: `/dev/zero` never ends, and a wrong path may name any file. Whoever
 * asks for one octet more than it takes sees that there is too much.
 */
import { closeSync, openSync, readSync } from 'node:fs'

/** Throws what the system says. */
export function readAtMost(file: string, bytesMax: number): Buffer {
  const opened = openSync(file, 'r')
  try {
    const room = Buffer.allocUnsafe(bytesMax)
    let filled = 0
    for (;;) {
      const read = readSync(opened, room, filled, bytesMax - filled, null)
      filled += read
      if (read === 0 || filled === bytesMax) return room.subarray(0, filled)
    }
  } finally {
    closeSync(opened)
  }
}
