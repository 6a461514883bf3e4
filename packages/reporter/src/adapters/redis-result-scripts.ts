/**
 * The Lua scripts of the results that many relays share, and how one is run: by its digest, in full when Redis does not
 * know it, and never longer than a deadline. Every failure is `ResultStoreUnavailable`, with the code that begins every
 * error reply of Redis and nothing that was stored.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { RedisScriptClient } from '@hermetic/policy'
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

interface Script {
  readonly source: string
  readonly sha1: string
}

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
    const script = SCRIPTS[name]
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(unavailable(name, 'no-answer')), this.#deadlineMs)
    const sent = this.#send(script, args).catch((cause: unknown) => {
      throw unavailable(name, replyCode(cause) ?? 'no-connection', cause)
    })
    try {
      return await Promise.race([sent, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async #send({ source, sha1 }: Script, args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#client.evalsha(sha1, 1, this.#base, ...args)
    } catch (error) {
      if (replyCode(error) !== 'NOSCRIPT') throw error
    }
    return this.#client.eval(source, 1, this.#base, ...args)
  }
}

function unavailable(what: RedisResultScript, code: string, cause?: unknown): ResultStoreUnavailable {
  return new ResultStoreUnavailable(`the store of results could not ${what}: Redis ${code}`, { cause })
}

/** The first word of an error reply; undefined when the error is not the server's. */
function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined
  const [code = ''] = error.message.split(' ', 1)
  return /^[A-Z]+$/.test(code) ? code : 'ERR'
}

const SCRIPTS = readScripts()

function readScripts(): Readonly<Record<RedisResultScript, Script>> {
  const prelude = readLua('prelude')
  const scripts = NAMES.map((name) => {
    const text = readLua(name)
    // The flags of a script are told by its first line.
    const end = text.indexOf('\n') + 1
    const source = `${text.slice(0, end)}${prelude}${text.slice(end)}`
    return [name, { source, sha1: createHash('sha1').update(source).digest('hex') }] as const
  })
  return Object.fromEntries(scripts) as Record<RedisResultScript, Script>
}

function readLua(name: string): string {
  return readFileSync(new URL(`./redis-lua/${name}.lua`, import.meta.url), 'utf8')
}
