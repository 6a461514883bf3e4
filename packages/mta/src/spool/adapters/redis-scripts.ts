/**
 * The Lua scripts of the Redis spool: read from `redis-lua/` once, each behind the prelude that they share. A script's
 * first line names its flags: without `allow-oom` a full server refuses it before it writes anything.
 */
import { readFileSync } from 'node:fs'
import { behindFlags, type Script, scriptOf } from '@hermetic/policy/redis-script'
import { FOUND_LUA } from '../../redis/found.ts'
import { CLASS_SCORES_LUA, FORMER_LIFE_LUA } from '../../redis/scripts.ts'

const NAMES = [
  'accept',
  'aside',
  'change',
  'claim',
  'claim-expired',
  'claim-message',
  'claim-untold',
  'clear-aside',
  'drop-hold-rule',
  'due-lanes',
  'enter',
  'entered-up-to',
  'few',
  'given-to',
  'hold-rules',
  'known',
  'lapse',
  'list',
  'list-these',
  'mend',
  'probe',
  'put-hold-rule',
  'read',
  'release',
  'renew',
  'settle',
  'shape',
  'show',
  'take-back',
  'take-out',
  'void',
  'watch-ages',
] as const

export type RedisScriptName = (typeof NAMES)[number]

export const REDIS_SCRIPTS: ReadonlyMap<RedisScriptName, Script> = readScripts()

function readScripts(): ReadonlyMap<RedisScriptName, Script> {
  const prelude = `${readFileSync(CLASS_SCORES_LUA, 'utf8')}${readLua('prelude')}`
  const match = readLua('match')
  const shared = new Map<RedisScriptName, string>([
    ['list', match],
    ['list-these', match],
    ['mend', readFileSync(FOUND_LUA, 'utf8')],
    ['take-back', readFileSync(FORMER_LIFE_LUA, 'utf8')],
  ])
  return new Map(
    NAMES.map((name) => [name, scriptOf(behindFlags(readLua(name), `${prelude}${shared.get(name) ?? ''}`))] as const),
  )
}

function readLua(name: string): string {
  return readFileSync(new URL(`./redis-lua/${name}.lua`, import.meta.url), 'utf8')
}
