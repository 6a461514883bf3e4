/**
 * Lua scripts, read from the file beside their adapter, and those that several adapters share.
 */
import { readFileSync } from 'node:fs'
import { type Script, scriptOf } from '@hermetic/policy/redis-script'

/** Of the text that goes before a script which tells former processes of a node from the one that asks. */
export const FORMER_LIFE_LUA = new URL('./former-life.lua', import.meta.url)

/** Of the text that goes before a script which reads when the deliveries of a lane are due. */
export const CLASS_SCORES_LUA = new URL('./class-scores.lua', import.meta.url)

/** Of files named relative to the module that asks, one after the other: what several scripts share comes first. */
export function loadScript(moduleUrl: string, ...files: readonly string[]): Script {
  const text = files.map((file) => readFileSync(new URL(file, moduleUrl), 'utf8')).join('\n')
  return scriptOf(text)
}
