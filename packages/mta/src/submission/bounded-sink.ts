/**
 * A content sink that answers in time, so that a disk that hangs does not hang the client too (RFC 6409 §5.3,
 * SUB-15). What arrives in its place after all is discarded. `Spool.accept` has a limit of its own.
 */
import { inTime, NotInTime } from '../spool/in-time.ts'
import type { ContentSink } from '../spool/spool.ts'

export function boundedSink(sink: ContentSink, answerMs: number): ContentSink {
  return {
    reserve: (octets) => sink.reserve(octets),
    write: (chunk) => inTime(sink.write(chunk), answerMs),
    finish: async (top) => {
      const finishing = sink.finish(top)
      try {
        return await inTime(finishing, answerMs)
      } catch (error) {
        if (error instanceof NotInTime) finishing.then(() => sink.discard()).catch(() => undefined)
        throw error
      }
    },
    discard: () => inTime(sink.discard(), answerMs),
  }
}
