/**
 * A bare LF becomes CRLF: what a submission agent may do for local programs that write lines the Unix way
 * (RFC 6409 §8, SMUG-07). Off by default. The end of content was found before and is not touched; bare CR stays and
 * is refused. Pure but for its own state.
 */

const CR = 0x0d
const LF = 0x0a

export class LineEndRepair {
  #afterCr = false

  /** The same buffer when there is nothing to do. */
  repair(chunk: Buffer): Buffer {
    const afterCr = this.#afterCr
    this.#afterCr = chunk.length > 0 ? chunk[chunk.length - 1] === CR : afterCr
    if (!hasBareLf(chunk, afterCr)) return chunk
    const text = chunk.toString('latin1')
    const repaired = text.replace(/(?<!\r)\n/g, '\r\n')
    // The CR in front of a first LF came with the chunk before.
    return Buffer.from(afterCr && text.startsWith('\n') ? repaired.slice(1) : repaired, 'latin1')
  }
}

function hasBareLf(chunk: Buffer, afterCr: boolean): boolean {
  for (let at = chunk.indexOf(LF); at !== -1; at = chunk.indexOf(LF, at + 1)) {
    if (at === 0 ? !afterCr : chunk[at - 1] !== CR) return true
  }
  return false
}
