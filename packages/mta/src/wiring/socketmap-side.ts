/**
 * The socketmap for Postfix: what the configuration says of it, over the same sources that delivery has. In the relay, and
 * by `socketmap-alone.ts` without one.
 */
import {
  createSocketmapAnswers,
  type DaneSource,
  type DnsResolver,
  err,
  ok,
  placeText,
  type Result,
  type SocketmapEvent,
  type SocketmapPlace,
  type SocketmapServer,
  type StsSource,
  startSocketmapServer,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { LocalPolicySettings } from './local-policies.ts'
import type { Opening } from './opening.ts'
import type { StartProblem } from './start-problem.ts'

export interface SocketmapSources {
  readonly resolver: Pick<DnsResolver, 'mx' | 'address'>
  /** Absent: MTA-STS is off. */
  readonly sts: StsSource | undefined
  /** Absent: DANE is off. */
  readonly dane: DaneSource | undefined
  readonly local: LocalPolicySettings
}

export interface SocketmapParts extends SocketmapSources {
  readonly opening: Opening
  readonly emit: (event: SocketmapEvent) => void
}

/** Undefined: the configuration names no place. */
export async function openSocketmap(
  config: Pick<Config, 'socketmap'>,
  parts: SocketmapParts,
): Promise<Result<SocketmapServer | undefined, StartProblem>> {
  const { listen } = config.socketmap
  return listen === undefined ? ok(undefined) : openSocketmapAt(listen, config, parts)
}

/** For requests whose answers are under way when we stop; Postfix asks again. */
const GRACE_MS = 5_000

export async function openSocketmapAt(
  place: SocketmapPlace,
  { socketmap: { zone: zones } }: Pick<Config, 'socketmap'>,
  { resolver, sts, dane, local, opening, emit }: SocketmapParts,
): Promise<Result<SocketmapServer, StartProblem>> {
  const answers = createSocketmapAnswers({
    ...{ resolver, sts, dane, zones, emit, ...local },
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
  })
  const started = await startSocketmapServer({ place, answers, emit })
  if (!started.ok) return err({ kind: 'socketmap', place: placeText(place), error: started.error })
  opening.closesWith(() => started.value.close(GRACE_MS))
  return started
}
