/**
 * What a soak submits: sizes around the inline limit of the spool, one or several recipients in several domains,
 * a few of whom the mail exchanger does not know. Pure: the same seed gives the same plan.
 */
import type { SeededRandom } from './random.ts'

export interface PlannedMessage {
  readonly number: number
  readonly contentBytes: number
  readonly recipients: readonly PlannedRecipient[]
}

export interface PlannedRecipient {
  /** Before the serial of the submission, which makes the address unique. */
  readonly name: 'known' | 'unknown'
  readonly domain: string
}

export const DOMAINS = ['one.soak.test', 'two.soak.test', 'three.soak.test', 'four.soak.test'] as const
export const SENDER = 'sender@origin.soak.test'

const SMALL_BYTES = { min: 800, max: 12_000 }
const MIDDLE_BYTES = { min: 40_000, max: 200_000 }
/** Past 256 KiB a body has a file of its own. */
const LARGE_BYTES = { min: 262_145, max: 400_000 }
const SHARES = { large: 0.03, middle: 0.05, several: 0.2, unknown: 0.02 }
const RECIPIENTS_MAX = 6

export function planMessages(count: number, random: SeededRandom): readonly PlannedMessage[] {
  return Array.from({ length: count }, (_, index) => ({
    number: index + 1,
    contentBytes: contentBytes(random),
    recipients: Array.from({ length: random.chance(SHARES.several) ? random.between(2, RECIPIENTS_MAX) : 1 }, () => ({
      name: random.chance(SHARES.unknown) ? 'unknown' : 'known',
      domain: DOMAINS[random.between(0, DOMAINS.length - 1)] ?? DOMAINS[0],
    })),
  }))
}

/** `known.17-2.3@one.soak.test`: the third recipient of the second submission of message 17. */
export function addressOf(
  recipient: PlannedRecipient,
  { serial, index }: { readonly serial: string; readonly index: number },
): string {
  return `${recipient.name}.${serial}.${index + 1}@${recipient.domain}`
}

function contentBytes(random: SeededRandom): number {
  const kind = random.next()
  const range = kind < SHARES.large ? LARGE_BYTES : kind < SHARES.large + SHARES.middle ? MIDDLE_BYTES : SMALL_BYTES
  return random.between(range.min, range.max)
}
