/**
 * What the server has given to this process and this process does not have, given back: nobody would deliver it before
 * its lease ends. Knows two scripts, and asks its caller what is his.
 */
import type { ClaimToken } from '../spool.ts'
import { type RedisArgument, type RedisReply, texts } from './redis-records.ts'
import type { RedisScriptName } from './redis-scripts.ts'

interface Given {
  /** Of this process (`redis/life.ts`). */
  readonly life: string
  readonly isOurs: (token: ClaimToken, holder: string) => boolean
}

type Run = (name: RedisScriptName, ...args: readonly RedisArgument[]) => Promise<RedisReply>

export async function giveBackUnknown(run: Run, { life, isOurs }: Given): Promise<void> {
  let cursor = '0'
  do {
    const [to = '0', ...given] = texts(await run('given-to', cursor, life))
    const unknown: string[] = []
    for (let at = 0; at + 2 < given.length; at += 3) {
      const [id = '', k = '', holder = ''] = given.slice(at, at + 3)
      if (!isOurs(`${id}/${k}/${holder}` as ClaimToken, holder)) unknown.push(id, k, holder)
    }
    if (unknown.length > 0) await run('release', String(unknown.length / 3), ...unknown)
    cursor = to
  } while (cursor !== '0')
}
