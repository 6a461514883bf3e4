/**
 * The scripts about due lanes (`bullmq-due-*.lua`), with types. Every one may be run twice: the answer to a take is
 * kept for a repetition, a turn begins and ends by its token.
 */
import { type RedisScriptClient, runScript, type Script } from '@hermetic/policy/redis-script'
import type { LaneId } from '../../delivery/lane.ts'
import { LANE_JOBS, type QueueKeys } from '../../redis/keys.ts'
import type { Life } from '../../redis/life.ts'
import { CLASS_SCORES_LUA, FORMER_LIFE_LUA, loadScript } from '../../redis/scripts.ts'
import type { WakeReason } from '../lane-scheduler.ts'

export interface DueLanesOptions {
  readonly client: RedisScriptClient
  readonly keys: QueueKeys
  readonly life: Life
  /** How long a taken lane stays out of the way. */
  readonly leaseMs: number
}

export interface Wake {
  readonly lane: LaneId
  readonly inMs: number
  readonly why: WakeReason | undefined
}

export interface TakeAsk {
  /** Made by the caller; the same for a repetition. */
  readonly id: string
  /** 0: this node takes no part. */
  readonly slots: number
  /** Free slots that this node keeps for the top class. */
  readonly urgentSlots: number
  readonly wakes: readonly Wake[]
}

export interface Taken {
  readonly lanes: readonly LaneId[]
  /** With mail of the top class: to be run at once, without a job. */
  readonly atOnce: readonly LaneId[]
  /** Lane jobs that wait for a worker, with those of `lanes`. */
  readonly waiting: number
  /** Lanes without progress that wait until others of that kind have ended. */
  readonly held: number
  /** Until more is due; undefined when nothing is, or when enough jobs wait already. */
  readonly nextInMs: number | undefined
}

export interface TurnName {
  readonly lane: LaneId
  readonly slot: number
  readonly token: string
}

export interface EndOfTurn {
  readonly kind: 'idle' | 'more' | 'parked' | 'backoff'
  /** Of parked and backoff. */
  readonly inMs: number
  readonly sign: 'moved' | 'silent' | 'none'
}

export type Begun =
  | { readonly kind: 'backs-off' }
  | { readonly kind: 'begun'; readonly knownToMove: boolean; readonly silences: number }

/** Lanes per take. */
const LANES_MAX = 256
/** A node that has not taken for this long has no slots any more. */
const NODE_MS = 10_000

const SCRIPTS = {
  take: dueScript('./bullmq-due-take.lua'),
  begin: dueScript('./bullmq-due-begin.lua'),
  end: dueScript('./bullmq-due-end.lua'),
  renew: dueScript('./bullmq-due-renew.lua'),
  leave: dueScript('./bullmq-due-leave.lua'),
  takeBack: dueScript(FORMER_LIFE_LUA.href, './bullmq-due-take-back.lua'),
}

function dueScript(...files: readonly string[]): Script {
  return loadScript(import.meta.url, './bullmq-due.lua', CLASS_SCORES_LUA.href, ...files)
}

export class DueLanes {
  readonly #options: DueLanesOptions

  constructor(options: DueLanesOptions) {
    this.#options = options
  }

  async take({ id, slots, urgentSlots, wakes }: TakeAsk): Promise<Taken> {
    const woken = wakes.flatMap(({ lane, inMs, why }) => [lane, inMs, why ?? ''])
    const args = [id, this.#options.life.name, slots, NODE_MS, LANES_MAX, urgentSlots, ...woken]
    const [waiting, held, next, atOnce, ...named] = list(await this.#run(SCRIPTS.take, args))
    const lanes = named.map((lane) => String(lane) as LaneId)
    return {
      lanes: lanes.slice(Number(atOnce)),
      atOnce: lanes.slice(0, Number(atOnce)),
      waiting: Number(waiting),
      held: Number(held),
      nextInMs: typeof next === 'number' && next >= 0 ? next : undefined,
    }
  }

  async begin({ lane, slot, token }: TurnName): Promise<Begun> {
    const answer = Number(await this.#run(SCRIPTS.begin, [lane, slot, token]))
    if (answer === -1) return { kind: 'backs-off' }
    return { kind: 'begun', knownToMove: answer === -2, silences: Math.max(0, answer) }
  }

  /** True when a take would find something. */
  async end({ lane, slot, token }: TurnName, { kind, inMs, sign }: EndOfTurn): Promise<boolean> {
    const args = [lane, slot, token, kind, inMs, sign]
    return (await this.#run(SCRIPTS.end, args, [this.#options.keys.laneDue(lane)])) === 1
  }

  /** Answers which turns are still ours. */
  async renew(turns: readonly (TurnName & { readonly moves: boolean })[]): Promise<readonly boolean[]> {
    const args = turns.flatMap(({ lane, slot, token, moves }) => [lane, slot, token, moves ? 'moves' : 'stuck'])
    return list(await this.#run(SCRIPTS.renew, args)).map((answer) => answer === 1)
  }

  async leave(slots: number): Promise<void> {
    await this.#run(SCRIPTS.leave, [this.#options.life.name, slots])
  }

  /** What a former process of this node had taken is due again; how many lanes. */
  async takeBack(): Promise<number> {
    const { life, keys } = this.#options
    return Number(await this.#run(SCRIPTS.takeBack, [life.node, life.name, `${keys.tag}:${LANE_JOBS}:`]))
  }

  #run(script: Script, args: readonly (string | number)[], more: readonly string[] = []): Promise<unknown> {
    const { client, keys, leaseMs } = this.#options
    return runScript(client, script, {
      keys: [...dueKeys(keys), ...more],
      args: [leaseMs, ...args],
    })
  }
}

/** In the order in which the scripts name them. */
export function dueKeys(keys: QueueKeys): readonly string[] {
  const { due, taken, backoff, turns, proven, unproven, held, slots, takes, laneJobsWaiting } = keys
  const { heldSilent, silences, silent, urgent } = keys
  const first = [due, taken, backoff, turns, proven, unproven, held, slots, takes, laneJobsWaiting]
  return [...first, heldSilent, silences, silent, urgent]
}

function list(answer: unknown): readonly unknown[] {
  return Array.isArray(answer) ? answer : []
}
