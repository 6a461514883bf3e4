/**
 * The nodes of a queue in Redis: one script for each question, and Redis' clock for every age. Every script may be run
 * twice. A node whose store lost everything is known again with its next beat.
 */

import { type RedisScriptClient, runScript, type Script } from '@hermetic/policy/redis-script'
import type { QueueKeys } from '../../redis/keys.ts'
import { redisTrouble } from '../../redis/redis-trouble.ts'
import { loadScript } from '../../redis/scripts.ts'
import { formatNodeRecord, type NodeId, type NodeRecord, parseNodeId, readNodeRecord } from '../node-record.ts'
import {
  type Heard,
  type Joined,
  type JoinOptions,
  type NodeRegistry,
  NodesUnavailable,
  type Ordered,
  type RegistryTimes,
} from '../node-registry.ts'
import { LISTED_MS, type ListedNode, NODES_MAX, type NodeWish, SILENT_MS, standingOf } from '../standing.ts'

export interface RedisNodesOptions {
  /** Closed by `close`. */
  readonly client: RedisScriptClient & { disconnect(): void }
  readonly keys: Pick<QueueKeys, 'nodes' | 'nodeBeats' | 'nodeHolders' | 'nodeWishes'>
  readonly times?: RegistryTimes
  readonly nodesMax?: number
}

const SCRIPTS = {
  join: nodeScript('./redis-nodes-join.lua'),
  beat: nodeScript('./redis-nodes-beat.lua'),
  list: nodeScript('./redis-nodes-list.lua'),
  order: nodeScript('./redis-nodes-order.lua'),
  leave: nodeScript('./redis-nodes-leave.lua'),
}

const TIMES: RegistryTimes = { silentMs: SILENT_MS, listedMs: LISTED_MS }
const ORDERED: readonly Ordered[] = ['unknown', 'silent', 'ordered']
const WORDS_PER_NODE = 4

function nodeScript(file: string): Script {
  return loadScript(import.meta.url, './redis-nodes.lua', file)
}

export class RedisNodes implements NodeRegistry {
  readonly #options: RedisNodesOptions
  readonly #times: RegistryTimes

  constructor(options: RedisNodesOptions) {
    this.#options = options
    this.#times = options.times ?? TIMES
  }

  async join(record: NodeRecord, { dead = '' }: JoinOptions = {}): Promise<Joined> {
    const { id, incarnation } = record
    const answer = await this.#run(SCRIPTS.join, [id, incarnation, formatNodeRecord(record), dead])
    const [joined, storeTime, text, age, wish] = listOf(answer)
    if (joined !== 1) return { kind: 'taken', by: this.#listed(id, { text, age, wish }) }
    const before = String(text) === '' ? {} : { before: readNodeRecord(id, String(text)) }
    return { kind: 'joined', storeTime: Number(storeTime), ...before }
  }

  async beat(record: NodeRecord): Promise<Heard> {
    const { id, incarnation } = record
    const answer = await this.#run(SCRIPTS.beat, [id, incarnation, formatNodeRecord(record)])
    const [ours, storeTime, said] = listOf(answer)
    if (ours !== 1) return { kind: 'replaced', by: readNodeRecord(id, String(said)) }
    return { kind: 'heard', storeTime: Number(storeTime), ...wishIn(said) }
  }

  async list(): Promise<readonly ListedNode[]> {
    const words = listOf(await this.#run(SCRIPTS.list, []))
    const nodes: ListedNode[] = []
    for (let at = 0; at < words.length; at += WORDS_PER_NODE) {
      const [name, text, age, wish] = words.slice(at, at + WORDS_PER_NODE)
      const id = parseNodeId(String(name))
      if (id !== undefined) nodes.push(this.#listed(id, { text, age, wish }))
    }
    return nodes
  }

  async order(id: NodeId, wish: NodeWish): Promise<Ordered> {
    return ORDERED[Number(await this.#run(SCRIPTS.order, [id, wish]))] ?? 'unknown'
  }

  async leave({ id, incarnation }: Pick<NodeRecord, 'id' | 'incarnation'>): Promise<void> {
    await this.#run(SCRIPTS.leave, [id, incarnation])
  }

  close(): void {
    this.#options.client.disconnect()
  }

  #listed(
    id: NodeId,
    { text, age, wish }: { readonly text: unknown; readonly age: unknown; readonly wish: unknown },
  ): ListedNode {
    const record = readNodeRecord(id, String(text))
    // Never negative: two questions within a millisecond, or a clock of Redis that was set back.
    const beatAgeMs = Math.max(0, Number(age))
    const standing = standingOf({ state: record.state, beatAgeMs }, this.#times.silentMs)
    return { ...record, standing, beatAgeMs, ...wishIn(wish) }
  }

  async #run(script: Script, args: readonly string[]): Promise<unknown> {
    const { client, keys, nodesMax = NODES_MAX } = this.#options
    const { silentMs, listedMs } = this.#times
    try {
      return await runScript(client, script, {
        keys: [keys.nodes, keys.nodeBeats, keys.nodeHolders, keys.nodeWishes],
        args: [silentMs, listedMs, nodesMax, ...args],
      })
    } catch (error) {
      throw new NodesUnavailable(redisTrouble(error), { cause: error })
    }
  }
}

function wishIn(word: unknown): { readonly wish?: NodeWish } {
  return word === 'drain' || word === 'run' ? { wish: word } : {}
}

function listOf(answer: unknown): readonly unknown[] {
  return Array.isArray(answer) ? answer : []
}
