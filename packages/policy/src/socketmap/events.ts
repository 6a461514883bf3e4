/** What happens at the socketmap, as far as an operator wants to see or count it. */
import type { NetstringError } from './netstring.ts'
import type { LevelBecause, NothingBecause, PermanentBecause, PostfixLevel, TemporaryBecause } from './reasons.ts'

export type SocketmapEvent =
  | { readonly event: 'socketmap-listening'; readonly place: string; readonly zones: number }
  /** Once for each decision; what is answered from memory is only counted. */
  | {
      readonly event: 'socketmap-decided'
      readonly zone: string
      readonly key: string
      readonly answer: SocketmapAnswerKind
      readonly because: LevelBecause | NothingBecause | TemporaryBecause | PermanentBecause
      readonly reply: string
      readonly validForMs: number
      readonly durationMs: number
    }
  /** Those of one connection since the last such event. */
  | { readonly event: 'socketmap-answered'; readonly counts: Readonly<Partial<Record<SocketmapAnswerKind, number>>> }
  /** Somebody who does not speak the protocol, or not in time. */
  | {
      readonly event: 'socketmap-connection-refused'
      readonly peer: string
      readonly because: NetstringError['kind'] | 'too-many-connections' | 'request-too-slow'
    }
  /** A defect of ours; Postfix defers. */
  | { readonly event: 'socketmap-defect'; readonly key: string; readonly detail: string }

export type SocketmapAnswerKind = PostfixLevel | 'not-found' | 'temporary' | 'permanent'
