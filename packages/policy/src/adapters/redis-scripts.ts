/**
 * The Lua scripts of the policies that many processes share, and how one is run: never longer than a deadline. What a
 * failure means for a caller is said by the adapters.
 */
import { readFileSync } from 'node:fs'
import { behindFlags, type RedisScriptClient, runScriptInTime, type Script, scriptOf } from './redis-script.ts'

const PRELUDED = [
  'count',
  'due',
  'epoch',
  'get',
  'lease',
  'list',
  'postpone',
  'put',
  'rebuild',
  'remove',
  'trim',
] as const
const PLAIN = [
  'dane-forget',
  'dane-on-read',
  'dane-on-write',
  'dane-remember',
  'dane-seen',
  'fetch-end',
  'fetch-lease',
  'order-note',
  'order-take',
] as const

export type RedisScriptName = (typeof PRELUDED)[number] | (typeof PLAIN)[number]

export interface RedisScriptsOptions {
  readonly client: RedisScriptClient
  /** Whose policies: relays with the same name share them. */
  readonly name: string
  readonly deadlineMs?: number | undefined
}

/** No answer for this long is an unknown outcome; a turn that waits for a policy has better things to do. */
export const REDIS_DEADLINE_MS = 5_000
/** Names become part of keys, where braces and stars mean something. */
const NAME = /^[A-Za-z0-9_.-]{1,64}$/

const SCRIPTS: ReadonlyMap<RedisScriptName, Script> = readScripts()

export class RedisScripts {
  readonly #client: RedisScriptClient
  readonly #base: string
  readonly #deadlineMs: number

  constructor({ client, name, deadlineMs = REDIS_DEADLINE_MS }: RedisScriptsOptions) {
    if (!NAME.test(name)) throw new Error(`not a name for keys: ${name}`)
    this.#client = client
    this.#base = redisPolicyKeys(name)
    this.#deadlineMs = deadlineMs
  }

  /** Rejects with `RedisScriptFailed`. */
  async run(name: RedisScriptName, ...args: readonly (string | number)[]): Promise<unknown> {
    const script = SCRIPTS.get(name)
    if (script === undefined) throw new Error(`no script: ${name}`)
    return runScriptInTime(this.#client, script, { keys: [this.#base], args, deadlineMs: this.#deadlineMs })
  }
}

/** Outside of the hash tag of any queue: what policies take is not what a queue's shard must bear. */
export function redisPolicyKeys(name: string): string {
  return `{hermetic-policy:${name}}`
}

function readScripts(): ReadonlyMap<RedisScriptName, Script> {
  const prelude = readLua('prelude')
  const preluded = PRELUDED.map((name) => {
    return [name, scriptOf(behindFlags(readLua(name), prelude))] as const
  })
  const plain = PLAIN.map((name) => [name, scriptOf(readLua(name))] as const)
  return new Map([...preluded, ...plain])
}

function readLua(name: string): string {
  return readFileSync(new URL(`./redis-lua/${name}.lua`, import.meta.url), 'utf8')
}
