/**
 * One claim on its way through one attempt: which recipients are still open, and what is known of the others.
 *
 * A recipient is settled at once by a 2yz or a final refusal; what one host could not take stays open, with the
 * problem written down, for the next host (SMTP-60). Only when no host is left does the sum of the problems decide:
 * permanent when every host said so, transient otherwise (SMTP-02, EXT-02, EAI-03).
 */
import type { SmtpReply } from '../smtp/reply.ts'
import type { Claim, OpenRecipient } from '../spool/spool.ts'
import type { LaneId } from './lane.ts'
import type { DeliveryProblem, RemoteHost } from './outcome.ts'
import { isPolicyFailure } from './problem.ts'
import { tellingProblem } from './requiretls-problems.ts'

export type Disposition =
  | {
      readonly kind: 'delivered'
      readonly reply: SmtpReply
      readonly remote: RemoteHost
      /** The host does not offer DSN. */
      readonly withoutDsn?: true
    }
  | { readonly kind: 'failed'; readonly problem: DeliveryProblem }
  | { readonly kind: 'deferred'; readonly problem: DeliveryProblem }
  /** Its mail is routed through another lane now, where it is due at once. */
  | { readonly kind: 'moved'; readonly problem: DeliveryProblem; readonly lane: LaneId }
  | { readonly kind: 'ambiguous'; readonly problem: DeliveryProblem }

export class ClaimProgress {
  readonly claim: Claim
  readonly #open = new Map<number, OpenRecipient>()
  readonly #done = new Map<number, Disposition>()
  readonly #problems = new Map<number, DeliveryProblem[]>()
  #quarantine: string | undefined
  #abandoned = false
  /** Sessions at the present host that broke while they carried this message. */
  breaks = 0
  /** Recipients, by index, that the present host has answered for. */
  readonly #asked = new Set<number>()
  /** A transaction carries it. */
  inTransaction = false
  /** The policy of the domain was looked for again for this attempt (RFC 8461 §5.1). */
  policyAsked = false

  constructor(claim: Claim) {
    this.claim = claim
    for (const recipient of claim.recipients) this.#open.set(recipient.index, recipient)
  }

  get open(): readonly OpenRecipient[] {
    return [...this.#open.values()]
  }

  /** Open, and the present host has not answered for them. */
  get unasked(): readonly OpenRecipient[] {
    return this.#asked.size === 0 ? this.open : this.open.filter(({ index }) => !this.#asked.has(index))
  }

  get isDone(): boolean {
    return this.#open.size === 0
  }

  /** Nothing is known of any recipient: the claim can be given back as it is. */
  get untouched(): boolean {
    return this.#done.size === 0 && this.#problems.size === 0 && this.#quarantine === undefined
  }

  get quarantine(): string | undefined {
    return this.#quarantine
  }

  /** The claim is no longer ours: whoever has it now settles it. */
  get abandoned(): boolean {
    return this.#abandoned
  }

  /** By index of the recipient. */
  get dispositions(): ReadonlyMap<number, Disposition> {
    return this.#done
  }

  /** Everything that was noted in this attempt, in order; each problem once. */
  get problems(): readonly DeliveryProblem[] {
    return [...new Set([...this.#problems.values()].flat())]
  }

  /** Another host comes: what the last one said is noted. */
  beginHost(): void {
    this.breaks = 0
    this.#asked.clear()
  }

  asked(index: number): void {
    this.#asked.add(index)
  }

  settle(index: number, disposition: Disposition): void {
    if (this.#open.delete(index)) this.#done.set(index, disposition)
  }

  /** What this host could not do for the recipient; another may. */
  note(index: number, problem: DeliveryProblem): void {
    const problems = this.#problems.get(index)
    if (problems === undefined) this.#problems.set(index, [problem])
    else problems.push(problem)
  }

  noteAll(problem: DeliveryProblem): void {
    for (const index of this.#open.keys()) this.note(index, problem)
  }

  /** The content cannot be read: nothing else may happen to this message until an operator has looked. */
  setAside(reason: string): void {
    this.#quarantine = reason
  }

  abandon(): void {
    this.#abandoned = true
    this.#open.clear()
  }

  /** Forgets what was noted: the candidates are asked anew. */
  retry(): void {
    this.#problems.clear()
  }

  /** No host is left: what was noted decides, or `otherwise` for a recipient without any note. */
  conclude(otherwise: DeliveryProblem): void {
    for (const index of [...this.#open.keys()]) {
      const problem = decisive(this.#problems.get(index) ?? []) ?? otherwise
      this.settle(index, { kind: problem.permanence === 'permanent' ? 'failed' : 'deferred', problem })
    }
  }
}

/**
 * The problem that speaks for all: the last transient one, or the last when every one is permanent. A policy that
 * kept a host from being used speaks before a host that could not be talked to, so that the policy is looked for
 * again before the mail is given up (RFC 8461 §5.1).
 */
export function decisive(problems: readonly DeliveryProblem[]): DeliveryProblem | undefined {
  const transient = problems.filter(({ permanence }) => permanence === 'transient')
  const last = transient.at(-1) ?? tellingProblem(problems) ?? problems.at(-1)
  if (last?.cause.kind === 'reply') return last
  return transient.findLast(({ cause }) => isPolicyFailure(cause)) ?? last
}
