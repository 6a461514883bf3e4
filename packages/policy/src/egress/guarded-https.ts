/**
 * The one HTTPS client for hosts whose names strangers chose (architecture, decision 8): policy hosts, and the
 * endpoints of reports.
 *
 * A name is looked up once, every address judged by the guard, and exactly those that passed are dialled, one after
 * the other, under `TargetLimits` and one deadline for everything. What happens at an address is in
 * `https-attempt.ts`; what an answer means is not known here.
 */
import type { DnsResolver } from '../dns/resolver.ts'
import type { DomainName } from '../domain-name.ts'
import { type HostAddress, type HostAddresses, resolveAddresses } from '../next-hop/addresses.ts'
import { assertNever, err, invariant, ok, type Result } from '../result.ts'
import type { AddressJudgement } from './address-guard.ts'
import { Deadline } from './deadline.ts'
import type { HttpsContent, ResponseHead } from './http-exchange.ts'
import { type AttemptEnd, type AttemptSettings, attemptAt, type HttpsAnswer } from './https-attempt.ts'
import { type HttpsFailure, mostTelling } from './https-failure.ts'
import { TargetLimits } from './target-limits.ts'

export interface GuardedHttpsOptions extends Partial<AttemptSettings> {
  readonly resolver: Pick<DnsResolver, 'address'>
  readonly guard: (address: string, port: number) => AddressJudgement
  readonly preferFamily?: 4 | 6
  readonly limits?: TargetLimits
  readonly deadlineMs?: number
}

export interface GetRequest<E> {
  readonly host: DomainName
  readonly port: number
  readonly path: string
  readonly bodyBytesMax: number
  /** Looks at status and fields before the body is read; what it returns is the failure. */
  readonly judgeHead: (head: ResponseHead, address: string) => E | undefined
  readonly signal?: AbortSignal | undefined
}

export interface HttpsDocument extends HttpsAnswer {
  /** Addresses that came first and gave nothing. */
  readonly passedOver: readonly HttpsFailure[]
}

export interface PostRequest {
  readonly host: DomainName
  readonly port: number
  readonly path: string
  readonly content: HttpsContent
  /** Also to a host whose certificate does not prove it (RFC 8460 §3, RPT-94). */
  readonly acceptUnproven?: boolean
  readonly signal?: AbortSignal | undefined
}

/** What the host answered; its fields and its body are not read. */
export interface HttpsReply {
  readonly kind: 'replied'
  readonly status: number
  readonly address: string
}

type AnyRequest<E> = GetRequest<E> & Partial<Pick<PostRequest, 'content' | 'acceptUnproven'>>

/** RFC 8461 §3.3 suggests one minute for everything. */
const DEADLINE_MS = 60_000
/** Leaves time for further addresses when the first one swallows packets. */
const CONNECT_TIMEOUT_MS = 10_000
const HANDSHAKE_TIMEOUT_MS = 10_000
const NO_EXTRA_ROOTS: readonly string[] = []

export class GuardedHttps {
  readonly #options: GuardedHttpsOptions
  readonly #limits: TargetLimits

  constructor(options: GuardedHttpsOptions) {
    this.#options = options
    this.#limits = options.limits ?? new TargetLimits()
  }

  /** Never rejects for anything that DNS, the network or the host can cause. */
  get<E>(request: GetRequest<E>): Promise<Result<HttpsDocument, HttpsFailure | E>> {
    return this.#request(request)
  }

  /** Like `post`, but for the proof of the name, and what comes back is read. */
  exchange<E>(request: GetRequest<E> & Pick<PostRequest, 'content'>): Promise<Result<HttpsDocument, HttpsFailure | E>> {
    return this.#request(request)
  }

  /** Like `get`. Whatever status came back is an answer; once something was sent, no other address gets it. */
  async post(request: PostRequest): Promise<Result<HttpsReply, HttpsFailure>> {
    const judgeHead = ({ status }: ResponseHead, address: string): HttpsReply => ({ kind: 'replied', status, address })
    const result = await this.#request<HttpsReply>({ ...request, bodyBytesMax: 0, judgeHead })
    invariant(!result.ok, 'a reply is judged by its head')
    return result.error.kind === 'replied' ? ok(result.error) : err(result.error)
  }

  async #request<E>(request: AnyRequest<E>): Promise<Result<HttpsDocument, HttpsFailure | E>> {
    using deadline = new Deadline(this.#options.deadlineMs ?? DEADLINE_MS, request.signal)
    const found = await deadline.orOver(this.#resolve(request))
    if (found === undefined) return err(deadline.failure('dns'))
    const addresses = dialable(found)
    if (!addresses.ok) return addresses
    const passedOver: HttpsFailure[] = []
    for (const { address } of addresses.value) {
      const result = await this.#attemptInTurn(request, address, deadline)
      if (result.ok) return ok({ ...result.value, passedOver })
      if (result.error.kind === 'final') return err(result.error.failure)
      passedOver.push(result.error.failure)
      if (deadline.over !== undefined) break
    }
    return err(mostTelling(passedOver))
  }

  #resolve<E>({ host, port }: AnyRequest<E>): Promise<HostAddresses> {
    const { resolver, guard, preferFamily = 6 } = this.#options
    return resolveAddresses({ resolver, host, guard: (address) => guard(address, port), preferFamily })
  }

  async #attemptInTurn<E>(
    request: AnyRequest<E>,
    address: string,
    deadline: Deadline,
  ): Promise<Result<HttpsAnswer, AttemptEnd<E>>> {
    const endTurn = await this.#limits.turn(address, deadline.signal)
    if (endTurn === undefined) {
      const kind = deadline.over === 'aborted' ? 'aborted' : 'own-limit'
      return err({ kind: 'final', failure: { kind } })
    }
    const { ca, connectTimeoutMs, handshakeTimeoutMs } = this.#options
    try {
      return await attemptAt({
        ...request,
        address,
        deadline,
        ca: ca ?? NO_EXTRA_ROOTS,
        connectTimeoutMs: connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
        handshakeTimeoutMs: handshakeTimeoutMs ?? HANDSHAKE_TIMEOUT_MS,
      })
    } finally {
      endTurn()
    }
  }
}

function dialable(found: HostAddresses): Result<readonly HostAddress[], HttpsFailure> {
  switch (found.kind) {
    case 'failure':
      return err({ kind: 'dns', reason: found.reason })
    case 'absent':
      return err({ kind: 'no-address', reason: found.reason })
    case 'addresses':
      return found.allowed.length > 0 ? ok(found.allowed) : err({ kind: 'address-refused', refused: found.refused })
    default:
      return assertNever(found)
  }
}
