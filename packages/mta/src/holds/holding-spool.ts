/**
 * The spool as rules hold its mail: what they mean is held as it is accepted, and what waited already is held when it
 * would be given out, so that whoever claims never sees it. What is told of senders (`notice`) is nobody's mail.
 */
import { NOTICE_LANE } from '../bounce/notice-lane.ts'
import type { RecordedSpool } from '../history/recorded-spool.ts'
import type { Claim, NewMessage, Settlement } from '../spool/spool.ts'
import type { HoldEvent } from './events.ts'
import type { HoldRule } from './hold-rule.ts'
import type { HoldRules } from './hold-rules.ts'

export interface HoldingOptions {
  readonly rules: Pick<HoldRules, 'ruleFor' | 'known'>
  readonly emit: (event: HoldEvent) => void
}

/** Claims that a rule means entirely are followed by others; after so many the lane comes again. */
const CLAIMS_IN_VAIN_MAX = 20

export function holdingSpool(spool: RecordedSpool, options: HoldingOptions): RecordedSpool {
  const free = (claims: readonly Claim[]): Promise<readonly Claim[]> => heldBack(claims, spool, options)
  const { ages, suspects } = spool
  return {
    stage: (id) => spool.stage(id),
    accept: async (message) => {
      const { held, counts } = withRules(message, options.rules)
      const answer = await spool.accept(held)
      if (answer.kind === 'accepted') tell(counts, 'accept', options)
      return answer
    },
    claim: async (lane, asked) => {
      for (let turn = 1; ; turn += 1) {
        const claims = await spool.claim(lane, asked)
        const left = await free(claims)
        if (left.length > 0 || claims.length === 0 || turn === CLAIMS_IN_VAIN_MAX) return left
      }
    },
    renew: (tokens, leaseMs) => spool.renew(tokens, leaseMs),
    settle: (token, settlement) => spool.settle(token, settlement),
    release: (tokens) => spool.release(tokens),
    dueLanes: (asked) => spool.dueLanes(asked),
    open: (id) => spool.open(id),
    admin: spool.admin,
    health: () => spool.health(),
    close: () => spool.close(),
    suspects: {
      list: () => suspects.list(),
      claim: async (id, asked) => free(await suspects.claim(id, asked)),
      clear: (id) => suspects.clear(id),
      quarantine: (id, reason) => suspects.quarantine(id, reason),
    },
    ages: {
      claimExpired: async (asked) => free(await ages.claimExpired(asked)),
      claimUntold: async (asked) => {
        const { claims, ...place } = await ages.claimUntold(asked)
        return { claims: await free(claims), ...place }
      },
    },
  }
}

type Counts = Map<string, number>

/** Each delivery parted into what each rule holds, and the rest. */
function withRules(
  message: NewMessage,
  rules: HoldingOptions['rules'],
): { readonly held: NewMessage; readonly counts: Counts } {
  const counts: Counts = new Map()
  if (rules.known.length === 0) return { held: message, counts }
  const addresses = new Map(message.recipients.map(({ index, address }) => [index, address]))
  const deliveries = message.deliveries.flatMap(({ lane, recipients }) => {
    const groups = Map.groupBy(recipients, (index) => {
      const address = addresses.get(index)
      return address === undefined ? undefined : rules.ruleFor(message.envelope, address)
    })
    return [...groups].map(([rule, indexes]) => {
      if (rule === undefined) return { lane, recipients: indexes }
      count(counts, rule, indexes.length)
      return { lane, recipients: indexes, held: { rule: rule.id, reason: rule.reason } }
    })
  })
  return { held: counts.size === 0 ? message : { ...message, deliveries }, counts }
}

/** Those that no rule means; of the others the rest comes with another claim, when there is one. */
async function heldBack(
  claims: readonly Claim[],
  spool: Pick<RecordedSpool, 'settle'>,
  options: HoldingOptions,
): Promise<readonly Claim[]> {
  if (options.rules.known.length === 0) return claims
  const counts: Counts = new Map()
  const free: Claim[] = []
  const settled: Promise<unknown>[] = []
  for (const claim of claims) {
    const settlement = holdOf(claim, options.rules, counts)
    if (settlement === undefined) free.push(claim)
    else settled.push(spool.settle(claim.token, settlement))
  }
  const failed = (await Promise.allSettled(settled)).find(({ status }) => status === 'rejected')
  // What could not be held comes again when its lease is over; those that are claimed with it do not wait for that.
  if (failed?.status === 'rejected' && free.length === 0) throw failed.reason
  if (failed !== undefined) return free
  return free
}

function holdOf(claim: Claim, rules: HoldingOptions['rules'], counts: Counts): Settlement | undefined {
  if (claim.lane === NOTICE_LANE) return undefined
  const groups = Map.groupBy(claim.recipients, ({ address }) => rules.ruleFor(claim.envelope, address))
  const heldByRules = [...groups].flatMap(([rule, recipients]) => {
    if (rule === undefined) return []
    count(counts, rule, recipients.length)
    return [{ rule: rule.id, reason: rule.reason, recipients: recipients.map(({ index }) => index) }]
  })
  if (heldByRules.length === 0) return undefined
  return { id: `${claim.token}/held`, outcomes: [], enqueue: [], marks: claim.marks, heldByRules }
}

function count(counts: Counts, { id }: HoldRule, recipients: number): void {
  counts.set(id, (counts.get(id) ?? 0) + recipients)
}

function tell(counts: Counts, at: 'accept' | 'claim', { emit }: HoldingOptions): void {
  for (const [rule, recipients] of counts) emit({ event: 'mail-held', rule, recipients, at })
}
