/**
 * The Lua scripts of the policies that many processes share, and how one is run: by its digest, in full when Redis
 * does not know it (a restart forgets them), and never longer than a deadline. What a failure means for a caller is
 * said by the adapters; here it gets a word, taken from the code that begins every error reply of Redis.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/**
 * What is needed of a client (an `ioredis` one fits). It must reject at once while it has no connection, and send
 * nothing twice.
 */
export interface RedisScriptClient {
  evalsha(sha1: string, keyCount: number, ...args: (string | number)[]): Promise<unknown>
  eval(source: string, keyCount: number, ...args: (string | number)[]): Promise<unknown>
}

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

interface Script {
  readonly source: string
  readonly sha1: string
}

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
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new RedisScriptFailed('no-answer')), this.#deadlineMs)
    try {
      return await Promise.race([this.#send(script, args), late.promise])
    } finally {
      clearTimeout(timer)
    }
  }

  async #send({ source, sha1 }: Script, args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await this.#client.evalsha(sha1, 1, this.#base, ...args)
    } catch (error) {
      if (replyCode(error) !== 'NOSCRIPT') throw failed(error)
    }
    try {
      return await this.#client.eval(source, 1, this.#base, ...args)
    } catch (error) {
      throw failed(error)
    }
  }
}

/** The script did not run, or nobody knows. */
export class RedisScriptFailed extends Error {
  override readonly name = 'RedisScriptFailed'
  /** The code of Redis' error reply, `no-answer`, or `no-connection`. */
  readonly code: string

  constructor(code: string, options?: ErrorOptions) {
    super(`Redis: ${code}`, options)
    this.code = code
  }
}

/** Outside of the hash tag of any queue: what policies take is not what a queue's shard must bear. */
export function redisPolicyKeys(name: string): string {
  return `{hermetic-policy:${name}}`
}

function failed(cause: unknown): RedisScriptFailed {
  return new RedisScriptFailed(replyCode(cause) ?? 'no-connection', { cause })
}

/** The first word of an error reply; undefined when the error is not the server's. */
function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined
  const [code = ''] = error.message.split(' ', 1)
  return /^[A-Z]+$/.test(code) ? code : 'ERR'
}

function readScripts(): ReadonlyMap<RedisScriptName, Script> {
  const prelude = readLua('prelude')
  const preluded = PRELUDED.map((name) => {
    const text = readLua(name)
    // The flags of a script are told by its first line.
    const end = text.indexOf('\n') + 1
    return [name, script(`${text.slice(0, end)}${prelude}${text.slice(end)}`)] as const
  })
  const plain = PLAIN.map((name) => [name, script(readLua(name))] as const)
  return new Map([...preluded, ...plain])
}

function script(source: string): Script {
  return { source, sha1: createHash('sha1').update(source).digest('hex') }
}

function readLua(name: string): string {
  return readFileSync(new URL(`./redis-lua/${name}.lua`, import.meta.url), 'utf8')
}
