/**
 * DNS with a verdict on DNSSEC that can be relied on (architecture, decision 6): finds who validates, asks through
 * them, tests them again and again, and says where things stand. Decisions are in `trust.ts` and `validation-state.ts`.
 *
 * Once it has begun to validate, its resolver never calls anything insecure that nobody vouches for.
 */
import { randomInt } from 'node:crypto'
import type { EmitPolicyEvent } from '../ports/policy-events.ts'
import { err, invariant, ok, type Result } from '../result.ts'
import type { CacheLimits } from './answer-cache.ts'
import type { PrivateUnboundOptions } from './private-unbound.ts'
import type { DnsResolver } from './resolver.ts'
import { type SelfTest, selfTest } from './self-test.ts'
import { createStubResolver, type StubResolver } from './stub-resolver.ts'
import type { NameServer } from './transport.ts'
import { decideTrust, type TrustSetting, type ValidatorKind } from './trust.ts'
import {
  type DaneSetting,
  type DnssecState,
  memoryOf,
  nextState,
  startState,
  type Validation,
  type ValidatorProblem,
} from './validation-state.ts'
import { serversValidator, unboundValidator, type Validator } from './validator.ts'
import { validatorProblemText } from './validator-problem-text.ts'
import { vouchedResolver } from './vouched-resolver.ts'

export interface TrustedDnsOptions {
  readonly servers: readonly [NameServer, ...NameServer[]]
  /** The operator named the servers: a private unbound asks them. Otherwise it asks the root. */
  readonly serversNamed: boolean
  readonly trust: TrustSetting
  readonly dane: DaneSetting
  /** An earlier run on this data_dir delivered with DANE. */
  readonly remembered: boolean
  /** Durable when it returns; called before the first answer that counts. */
  readonly remember: (dane: 'on' | 'off') => Promise<void>
  readonly unbound: Pick<PrivateUnboundOptions, 'directory' | 'folders' | 'anchors'>
  readonly emit: EmitPolicyEvent
  readonly cache?: Partial<CacheLimits>
  readonly timing?: Partial<ValidationTiming>
}

export interface ValidationTiming {
  /** Between two self-tests that nobody asked for. */
  readonly periodMs: number
  /** The same while validation is lost. */
  readonly retryMs: number
  /** An insecure answer counts when the last passed test is not older. */
  readonly freshMs: number
  /** How long a candidate may take at first: a resolver that has just started has to find the root. */
  readonly patienceMs: number
}

export interface TrustedDns {
  readonly resolver: DnsResolver
  state(): DnssecState
  /** False: DANE is off for as long as this process lives. */
  danePossible(): boolean
  /** Fulfilled when deliveries may begin: at once, unless they are held for want of a validator. */
  readonly released: Promise<void>
  close(): Promise<void>
}

const TIMING: ValidationTiming = { periodMs: 30_000, retryMs: 2_000, freshMs: 1_000, patienceMs: 5_000 }
const PATIENT_POLL_MS = 250
const RANDOM_STEPS = 2 ** 32

export async function openTrustedDns(options: TrustedDnsOptions): Promise<TrustedDns> {
  const dns = new ValidatedDns(options)
  await dns.begin()
  return dns
}

class ValidatedDns implements TrustedDns {
  readonly resolver: DnsResolver
  readonly released: Promise<void>
  readonly #options: TrustedDnsOptions
  readonly #timing: ValidationTiming
  readonly #stopping = new AbortController()
  #validator: Validator | undefined
  /** Without validation: only used while the state is off. */
  #plain: StubResolver | undefined
  #state: DnssecState | undefined
  #release: () => void = () => undefined
  #passedAt = Number.NEGATIVE_INFINITY
  #testing: Promise<void> | undefined
  #wake: () => void = () => undefined
  #watch: Promise<void> = Promise.resolve()

  constructor(options: TrustedDnsOptions) {
    this.#options = options
    this.#timing = { ...TIMING, ...options.timing }
    this.released = new Promise((resolve) => {
      this.#release = resolve
    })
    const vouched = vouchedResolver({ source: () => this.#source(), confirm: () => this.#confirm() })
    const now = (): DnsResolver => this.#plain ?? vouched
    this.resolver = {
      mx: (name) => now().mx(name),
      address: (name, family) => now().address(name, family),
      txt: (name, how) => now().txt(name, how),
      cname: (name) => now().cname(name),
      tlsa: (owner) => now().tlsa(owner),
      reverse: (address) => now().reverse(address),
    }
  }

  async begin(): Promise<void> {
    const { dane: enabled, remembered } = this.#options
    const validation = enabled === false ? { kind: 'nobody' as const, because: [] } : await this.#search()
    await this.#become(startState({ enabled, remembered, validation, at: Date.now() }))
    this.#watch = this.#watchOn()
  }

  state(): DnssecState {
    invariant(this.#state !== undefined, 'the state is known once it was opened')
    return this.#state
  }

  danePossible(): boolean {
    return this.state().kind !== 'off'
  }

  async close(): Promise<void> {
    this.#stopping.abort()
    this.#wake()
    await this.#watch
    await this.#validator?.close()
    this.#plain?.close()
  }

  /** Candidate by candidate, until one shows that it validates. */
  async #search(): Promise<Validation> {
    const { trust, servers } = this.#options
    const { candidates, notBelieved } = decideTrust(trust, servers)
    const problems: ValidatorProblem[] = []
    for (const kind of candidates) {
      if (this.#stopping.signal.aborted) break
      const problem = await this.#try(kind)
      if (problem === undefined) {
        if (kind === 'loopback-resolver') this.#options.emit({ event: 'dnssec-loopback-believed', problems })
        return { kind: 'validates', by: kind }
      }
      problems.push(problem)
    }
    if (notBelieved !== undefined) problems.push({ candidate: 'servers', problem: { kind: notBelieved } })
    return { kind: 'nobody', because: problems }
  }

  async #try(kind: ValidatorKind): Promise<ValidatorProblem | undefined> {
    const opened = await this.#openValidator(kind)
    if (!opened.ok) return opened.error
    const validator = opened.value
    const problem = await this.#testPatiently(validator)
    if (problem !== undefined) {
      await validator.close()
      return problem
    }
    this.#validator = validator
    validator.onChange(() => this.#wake())
    return undefined
  }

  async #openValidator(kind: ValidatorKind): Promise<Result<Validator, ValidatorProblem>> {
    const { servers, serversNamed, unbound, emit, cache = {} } = this.#options
    const settings = { emit, cache }
    if (kind !== 'private-unbound') return ok(serversValidator(kind, servers, settings))
    const forwarders = serversNamed ? servers : []
    return unboundValidator({ ...unbound, ...clocks(), forwarders, emit }, settings)
  }

  async #testPatiently(validator: Validator): Promise<ValidatorProblem | undefined> {
    const until = performance.now() + this.#timing.patienceMs
    for (;;) {
      const problem = await this.#problemOf(validator)
      const hopeless = problem === undefined || problem.problem.kind !== 'no-answer'
      if (hopeless || performance.now() >= until || this.#stopping.signal.aborted) return problem
      await new Promise((resolve) => setTimeout(resolve, PATIENT_POLL_MS))
    }
  }

  /** One self-test; undefined when it passed and who passed it is still there. */
  async #problemOf(validator: Validator): Promise<ValidatorProblem | undefined> {
    const source = validator.source()
    if (source === undefined) return validator.problem()
    const askedAt = performance.now()
    const outcome: SelfTest = await selfTest(source.servers, { ...clocks(), signal: this.#stopping.signal })
    if (!(await source.stillThere())) return validator.problem()
    if (outcome.kind === 'passed') {
      this.#passedAt = askedAt
      return undefined
    }
    const candidate = validator.by === 'private-unbound' ? 'private-unbound' : 'servers'
    return { candidate, problem: outcome.problem }
  }

  /** The state after the next self-test; whoever asks meanwhile waits for the same one. */
  #test(): Promise<void> {
    this.#testing ??= this.#testOnce().finally(() => {
      this.#testing = undefined
    })
    return this.#testing
  }

  async #testOnce(): Promise<void> {
    const validator = this.#validator
    if (validator === undefined) return
    const problem = await this.#problemOf(validator)
    if (this.#stopping.signal.aborted) return
    const validation: Validation =
      problem === undefined ? { kind: 'validates', by: validator.by } : { kind: 'nobody', because: [problem] }
    await this.#become(nextState(this.state(), validation, Date.now()))
  }

  async #watchOn(): Promise<void> {
    const { periodMs, retryMs } = this.#timing
    while (!this.#stopping.signal.aborted && this.state().kind !== 'off') {
      await this.#pause(this.state().kind === 'validating' ? periodMs : retryMs)
      if (this.#stopping.signal.aborted) return
      if (this.#validator !== undefined) await this.#test()
      else {
        const validation = await this.#search()
        if (!this.#stopping.signal.aborted) await this.#become(nextState(this.state(), validation, Date.now()))
      }
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms)
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  #source() {
    const source = this.#validator?.source()
    return source === undefined ? err(this.#whyNot()) : ok(source)
  }

  async #confirm(): Promise<Result<undefined, string>> {
    if (performance.now() - this.#passedAt >= this.#timing.freshMs) await this.#test()
    return this.state().kind === 'validating' ? ok(undefined) : err(this.#whyNot())
  }

  #whyNot(): string {
    const because = this.#state?.kind === 'lost' ? this.#state.because : []
    const problem = this.#validator?.source() === undefined ? this.#validator?.problem() : undefined
    return (problem === undefined ? because : [problem]).map(validatorProblemText).join('; ')
  }

  async #become(state: DnssecState): Promise<void> {
    const before = this.#state
    if (before?.kind !== state.kind) {
      const memory = memoryOf(state)
      if (memory !== 'unchanged') await this.#options.remember(memory)
    }
    this.#state = state
    if (state.kind === 'off') this.#plain ??= plainResolver(this.#options)
    if (state.kind !== 'lost' || state.delivery === 'tried') this.#release()
    if (before?.kind === state.kind) return
    tell(before, state, this.#options.emit)
    // Found by a lookup: the pauses are others from now on.
    this.#wake()
  }
}

function tell(before: DnssecState | undefined, state: DnssecState, emit: EmitPolicyEvent): void {
  switch (state.kind) {
    case 'validating': {
      const lost = before?.kind === 'lost' ? { lostForMs: Math.max(0, Date.now() - before.since) } : {}
      emit({ event: 'dnssec-validating', by: state.by, ...lost })
      break
    }
    case 'off': {
      const problems = state.because.kind === 'no-validator' ? state.because.problems : []
      emit({ event: 'dnssec-off', because: state.because.kind, problems })
      break
    }
    case 'lost':
      emit({ event: 'dnssec-lost', delivery: state.delivery, problems: state.because })
      break
  }
}

/** Without DANE, AD of servers that the operator believes still counts for other proofs (RFC 8689 §4.2.1). */
function plainResolver({ servers, trust, dane, emit, cache = {} }: TrustedDnsOptions): StubResolver {
  return createStubResolver({ servers, trust: dane === false && trust === 'ad' ? 'ad' : 'none', emit, cache })
}

function clocks() {
  return { now: () => performance.now(), random: () => randomInt(RANDOM_STEPS) / RANDOM_STEPS }
}
