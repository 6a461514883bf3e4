/**
 * Lua scripts: read from the file beside their adapter, run by their digest, sent in full when Redis does not know
 * them (a restart forgets them). Keys go first, then arguments. Knows no client, only the two commands.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** Of the text that goes before a script which tells former processes of a node from the one that asks. */
export const FORMER_LIFE_LUA = new URL('./former-life.lua', import.meta.url)

/** Of the text that goes before a script which reads when the deliveries of a lane are due. */
export const CLASS_SCORES_LUA = new URL('./class-scores.lua', import.meta.url)

/** What a script needs of a client. */
export interface ScriptClient {
  evalsha(sha: string, keyCount: number, ...args: (string | number | Buffer)[]): Promise<unknown>
  eval(text: string, keyCount: number, ...args: (string | number | Buffer)[]): Promise<unknown>
}

export interface Script {
  readonly text: string
  readonly sha: string
}

/** Of files named relative to the module that asks, one after the other: what several scripts share comes first. */
export function loadScript(moduleUrl: string, ...files: readonly string[]): Script {
  const text = files.map((file) => readFileSync(new URL(file, moduleUrl), 'utf8')).join('\n')
  return { text, sha: createHash('sha1').update(text).digest('hex') }
}

/** Rejects with the client's error; translate it in the adapter. */
export async function runScript(
  client: ScriptClient,
  script: Script,
  { keys, args }: { readonly keys: readonly string[]; readonly args: readonly (string | number | Buffer)[] },
): Promise<unknown> {
  try {
    return await client.evalsha(script.sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!isUnknownScript(error)) throw error
    return await client.eval(script.text, keys.length, ...keys, ...args)
  }
}

/** The first word of an error reply of Redis is its code. */
function isUnknownScript(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith('NOSCRIPT ')
}
