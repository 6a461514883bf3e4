/**
 * The Lua scripts of the results that many relays share, and how one is run: never longer than a deadline. Every failure is `ResultStoreUnavailable`, with the code that begins every
 * error reply of Redis and nothing that was stored.
 */
import { readFileSync } from 'node:fs'
import {
  behindFlags,
  type RedisScriptClient,
  RedisScriptFailed,
  runScriptInTime,
  type Script,
  scriptOf,
} from '@hermetic/policy/redis-script'
import { ResultStoreUnavailable } from '../ports/result-store.ts'

const NAMES = [
  'admit',
  'claim',
  'close-begin',
  'close-end',
  'close-names',
  'close-plan',
  'days',
  'due-count',
  'expedite',
  'forget',
  'forget-admissions',
  'forget-days',
  'id',
  'mark',
  'open-days',
  'read-sums',
  'reports',
  'set-aside',
  'tally',
  'write-sums',
] as const

export type RedisResultScript = (typeof NAMES)[number]

export interface RedisResultScriptsOptions {
  /** Rejects at once while it has no connection, and sends nothing twice. */
  readonly client: RedisScriptClient
  /** Whose results: relays with the same name share them. */
  readonly name: string
  readonly deadlineMs?: number | undefined
}

/** Nobody waits for a flush, and a batch is repeated under its id. */
const DEADLINE_MS = 10_000
/** Names become part of keys, where braces and stars mean something. */
const NAME = /^[A-Za-z0-9_.-]{1,64}$/

export class RedisResultScripts {
  readonly #client: RedisScriptClient
  readonly #base: string
  readonly #deadlineMs: number

  constructor({ client, name, deadlineMs = DEADLINE_MS }: RedisResultScriptsOptions) {
    if (!NAME.test(name)) throw new Error(`not a name for keys: ${name}`)
    this.#client = client
    // Outside of the hash tag of any queue: what results take is not what a queue's shard must bear.
    this.#base = `{hermetic-tlsrpt:${name}}`
    this.#deadlineMs = deadlineMs
  }

  async run(name: RedisResultScript, ...args: readonly (string | number)[]): Promise<unknown> {
    const call = { keys: [this.#base], args, deadlineMs: this.#deadlineMs }
    try {
      return await runScriptInTime(this.#client, SCRIPTS[name], call)
    } catch (error) {
      if (!(error instanceof RedisScriptFailed)) throw error
      throw unavailable(name, error.code, error.cause)
    }
  }
}

function unavailable(what: RedisResultScript, code: string, cause?: unknown): ResultStoreUnavailable {
  return new ResultStoreUnavailable(`the store of results could not ${what}: Redis ${code}`, { cause })
}

const SCRIPTS = readScripts()

function readScripts(): Readonly<Record<RedisResultScript, Script>> {
  const prelude = readLua('prelude')
  const scripts = NAMES.map((name) => [name, scriptOf(behindFlags(readLua(name), prelude))] as const)
  return Object.fromEntries(scripts) as Record<RedisResultScript, Script>
}

function readLua(name: string): string {
  return readFileSync(new URL(`./redis-lua/${name}.lua`, import.meta.url), 'utf8')
}
