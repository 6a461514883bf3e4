/**
 * The scripts about due lanes (`bullmq-due-*.lua`), with types. Every one may be run twice: the answer to a take is
 * kept for a repetition, a turn begins and ends by its token.
 */
import type { LaneId } from '../../delivery/lane.ts'
import { LANE_JOBS, type QueueKeys } from '../../redis/keys.ts'
import type { Life } from '../../redis/life.ts'
import { FORMER_LIFE_LUA, loadScript, runScript, type Script, type ScriptClient } from '../../redis/scripts.ts'

export interface DueLanesOptions {
  readonly client: ScriptClient
  readonly keys: QueueKeys
  readonly life: Life
  /** How long a taken lane stays out of the way. */
  readonly leaseMs: number
}

export interface Wake {
  readonly lane: LaneId
  readonly inMs: number
  readonly byOperator: boolean
}

export interface TakeAsk {
  /** Made by the caller; the same for a repetition. */
  readonly id: string
  /** 0: this node takes no part. */
  readonly slots: number
  readonly wakes: readonly Wake[]
}

export interface Taken {
  readonly lanes: readonly LaneId[]
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
  readonly progressed: boolean
}

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
  return loadScript(import.meta.url, './bullmq-due.lua', ...files)
}

export class DueLanes {
  readonly #options: DueLanesOptions

  constructor(options: DueLanesOptions) {
    this.#options = options
  }

  async take({ id, slots, wakes }: TakeAsk): Promise<Taken> {
    const woken = wakes.flatMap(({ lane, inMs, byOperator }) => [lane, inMs, byOperator ? 'operator' : ''])
    const args = [id, this.#options.life.name, slots, NODE_MS, LANES_MAX, ...woken]
    const [waiting, held, next, ...lanes] = list(await this.#run(SCRIPTS.take, args))
    return {
      lanes: lanes.map((lane) => String(lane) as LaneId),
      waiting: Number(waiting),
      held: Number(held),
      nextInMs: typeof next === 'number' && next >= 0 ? next : undefined,
    }
  }

  async begin({ lane, slot, token }: TurnName): Promise<'backs-off' | 'proven' | 'unproven'> {
    const answer = await this.#run(SCRIPTS.begin, [lane, slot, token])
    if (answer === -1) return 'backs-off'
    return answer === 1 ? 'proven' : 'unproven'
  }

  /** True when a take would find something. */
  async end({ lane, slot, token }: TurnName, { kind, inMs, progressed }: EndOfTurn): Promise<boolean> {
    const args = [lane, slot, token, kind, inMs, progressed ? 1 : 0]
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
    const { due, taken, backoff, turns, proven, unproven, held, slots, takes, laneJobsWaiting } = keys
    return runScript(client, script, {
      keys: [due, taken, backoff, turns, proven, unproven, held, slots, takes, laneJobsWaiting, ...more],
      args: [leaseMs, ...args],
    })
  }
}

function list(answer: unknown): readonly unknown[] {
  return Array.isArray(answer) ? answer : []
}
