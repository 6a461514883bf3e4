/**
 * Lua scripts in Redis: run by their digest, sent in full when Redis does not know them (a restart forgets them). Keys go
 * first, then arguments. Knows no client, only the two commands.
 *
 * Stands apart from the index of the package, so that every store that many relays share runs its scripts in one way.
 */
import { createHash } from 'node:crypto'

/**
 * What is needed of a client (an `ioredis` one fits). It must reject at once while it has no connection, and send
 * nothing twice.
 */
export interface RedisScriptClient {
  evalsha(sha: string, keyCount: number, ...args: (string | number | Buffer)[]): Promise<unknown>
  eval(text: string, keyCount: number, ...args: (string | number | Buffer)[]): Promise<unknown>
}

export interface Script {
  readonly text: string
  readonly sha: string
}

export interface ScriptCall {
  readonly keys: readonly string[]
  readonly args: readonly (string | number | Buffer)[]
}

export function scriptOf(text: string): Script {
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** The flags of a script are told by its first line, and stay there. */
export function behindFlags(text: string, prelude: string): string {
  const end = text.indexOf('\n') + 1
  return `${text.slice(0, end)}${prelude}${text.slice(end)}`
}

/** Rejects with the client's error. */
export async function runScript(
  client: RedisScriptClient,
  script: Script,
  { keys, args }: ScriptCall,
): Promise<unknown> {
  try {
    return await client.evalsha(script.sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (replyCode(error) !== 'NOSCRIPT') throw error
    return await client.eval(script.text, keys.length, ...keys, ...args)
  }
}

/** Rejects with `RedisScriptFailed`, after the deadline at the latest. */
export async function runScriptInTime(
  client: RedisScriptClient,
  script: Script,
  { deadlineMs, ...call }: ScriptCall & { readonly deadlineMs: number },
): Promise<unknown> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new RedisScriptFailed('no-answer')), deadlineMs)
  const sent = runScript(client, script, call).catch((cause: unknown) => {
    throw new RedisScriptFailed(replyCode(cause) ?? 'no-connection', { cause })
  })
  try {
    return await Promise.race([sent, late.promise])
  } finally {
    clearTimeout(timer)
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

/** The first word of an error reply; undefined when the error is not the server's. */
export function replyCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || error.name !== 'ReplyError') return undefined
  const [code = ''] = error.message.split(' ', 1)
  return /^[A-Z]+$/.test(code) ? code : 'ERR'
}
