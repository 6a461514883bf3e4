/**
 * Writes content in chunks that are counted (RFC 3030 §2): small content in one, the last; larger one chunk after the
 * other, each only when the one before was taken, so that nothing follows a chunk that failed (EXT-11) and memory
 * stays flat. The last chunk leaves only while the message is ours to send.
 */
import { ask, type ContentTurn, pieces } from './content-sender.ts'
import type { PreparedContent } from './prepared-transaction.ts'
import type { SessionProblem } from './session-problem.ts'
import type { Wire } from './wire.ts'

export interface ChunkTurn extends ContentTurn {
  /** The command of a chunk is written, its octets follow. */
  readonly begun: () => void
  /** All of its octets are. */
  readonly written: () => void
  /** Was the chunk that is out taken? False once there is nothing to go on with. */
  readonly taken: () => Promise<boolean>
}

/** Few round trips for large content, little memory for many connections at once. */
const CHUNK_OCTETS = 512 * 1024

export async function sendChunks(content: PreparedContent, wire: Wire, turn: ChunkTurn): Promise<void> {
  let waiting: Buffer[] = []
  let octets = 0
  for await (const piece of pieces(content)) {
    if (!Buffer.isBuffer(piece)) return turn.abandon(piece)
    if (octets > 0 && octets + piece.length > CHUNK_OCTETS) {
      if (!(await writeChunk({ slices: waiting, octets, last: false }, wire, turn))) return
      if (!(await turn.taken()) || !turn.open()) return
      waiting = []
      octets = 0
    }
    waiting.push(piece)
    octets += piece.length
  }
  if (turn.mayEnd !== undefined && !(await ask(turn.mayEnd))) {
    if (turn.open()) turn.abandon(STOPPED)
    return
  }
  if (turn.open()) await writeChunk({ slices: waiting, octets, last: true }, wire, turn)
}

const STOPPED: SessionProblem = { kind: 'stopped' }

interface Chunk {
  readonly slices: readonly Buffer[]
  readonly octets: number
  readonly last: boolean
}

/** False: the session ended, or the peer has answered already. */
async function writeChunk({ slices, octets, last }: Chunk, wire: Wire, turn: ChunkTurn): Promise<boolean> {
  wire.cork()
  let flowing = wire.write(Buffer.from(`BDAT ${octets}${last ? ' LAST' : ''}\r\n`))
  turn.begun()
  for (const slice of slices) {
    if (!flowing) {
      wire.uncork()
      if (!(await wire.drained()) || !turn.open()) return false
      turn.progress()
      wire.cork()
    }
    flowing = wire.write(slice)
  }
  turn.written()
  if (last) turn.dotWritten()
  wire.uncork()
  return true
}
