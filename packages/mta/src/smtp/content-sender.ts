/**
 * Writes content and its final dot (RFC 5321 §4.1.1.4): small content in one piece with the dot, so that whatever
 * may follow leaves with it; larger in blocks, each only when the one before is on its way, so that the block timer
 * measures progress and memory stays flat (SMTP-31). The dot leaves only while the message is ours to send.
 */
import { DotStuffer } from './dot-stuffing.ts'
import type { PreparedContent } from './prepared-transaction.ts'
import type { SessionProblem } from './session-problem.ts'
import type { Wire } from './wire.ts'

export interface ContentTurn {
  readonly mayEnd: (() => boolean | Promise<boolean>) | undefined
  /** False once the peer or the connection has ended this content. */
  readonly open: () => boolean
  readonly progress: () => void
  readonly dotWritten: () => void
  readonly abandon: (problem: SessionProblem) => void
}

/** Up to this, one write costs less memory than waiting would save. */
const ONE_PIECE_OCTETS_MAX = 256 * 1024
const BLOCK_OCTETS = 64 * 1024

export function sendContent(content: PreparedContent, wire: Wire, turn: ContentTurn): void {
  if (content.kind === 'memory' && content.octets <= ONE_PIECE_OCTETS_MAX) {
    // Without a question there is nothing to wait for: the dot leaves in the turn that read the 354.
    if (turn.mayEnd === undefined) sendOnePiece(content, { wire, turn, mayEnd: true })
    else void ask(turn.mayEnd).then((mayEnd) => sendOnePiece(content, { wire, turn, mayEnd }))
    return
  }
  void sendBlocks(content, wire, turn)
}

/** An answer that cannot be had is a no: the dot must not leave on a guess. */
export async function ask(mayEnd: () => boolean | Promise<boolean>): Promise<boolean> {
  try {
    return await mayEnd()
  } catch {
    return false
  }
}

function sendOnePiece(
  { slices, end }: Extract<PreparedContent, { readonly kind: 'memory' }>,
  { wire, turn, mayEnd }: { readonly wire: Wire; readonly turn: ContentTurn; readonly mayEnd: boolean },
): void {
  if (!turn.open()) return
  if (!mayEnd) {
    turn.abandon({ kind: 'stopped' })
    return
  }
  wire.cork()
  for (const slice of slices) wire.write(slice)
  wire.write(end)
  turn.dotWritten()
  wire.uncork()
}

async function sendBlocks(content: PreparedContent, wire: Wire, turn: ContentTurn): Promise<void> {
  let block: Buffer | undefined
  for await (const piece of pieces(content)) {
    if (!Buffer.isBuffer(piece)) {
      if (turn.open()) turn.abandon(piece)
      return
    }
    // The last piece holds the dot, and leaves only after the question.
    if (block !== undefined && !(await writeBlock(block, wire, turn))) return
    block = piece
  }
  if (!turn.open() || block === undefined) return
  if (turn.mayEnd !== undefined && !(await ask(turn.mayEnd))) return turn.abandon({ kind: 'stopped' })
  if (!turn.open()) return
  wire.cork()
  wire.write(block)
  turn.dotWritten()
  wire.uncork()
}

/** As they will travel, none longer than a block; the last one is what ends the content. A problem comes last. */
export async function* pieces(content: PreparedContent): AsyncGenerator<Buffer | SessionProblem> {
  if (content.kind === 'file') {
    yield* filePieces(content)
    return
  }
  for (const slice of content.slices) yield* blocks(slice)
  yield content.end
}

function* blocks(slice: Buffer): Generator<Buffer> {
  for (let at = 0; at < slice.length; at += BLOCK_OCTETS) yield slice.subarray(at, at + BLOCK_OCTETS)
}

/** The spool promises the bytes; here they are believed only once lines and size are seen. */
async function* filePieces({
  size,
  open,
  framing,
}: Extract<PreparedContent, { readonly kind: 'file' }>): AsyncGenerator<Buffer | SessionProblem> {
  const stuffer = new DotStuffer(framing)
  let octets = 0
  try {
    for await (const chunk of open()) {
      octets += chunk.length
      const slices = stuffer.push(chunk)
      if (!slices.ok) return yield unreadable(slices.error)
      for (const slice of slices.value) yield* blocks(slice)
    }
  } catch (cause) {
    return yield unreadable(cause instanceof Error ? cause.message : 'read failed')
  }
  if (octets !== size) return yield unreadable(`${octets} octets where ${size} were stored`)
  const end = stuffer.finish()
  yield end.ok ? end.value : unreadable(end.error)
}

async function writeBlock(block: Buffer, wire: Wire, turn: ContentTurn): Promise<boolean> {
  if (!wire.write(block) && !(await wire.drained())) return false
  if (!turn.open()) return false
  turn.progress()
  return true
}

function unreadable(detail: string): SessionProblem {
  return { kind: 'content-unreadable', detail }
}
