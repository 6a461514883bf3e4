/** The parts of a claim's token on Redis: message, delivery, and the name under which it was given. Pure. */
import type { ClaimToken } from '../spool.ts'

const TOKEN = /^([0-9a-f-]{36})\/(\d{1,5})\/([0-9a-z.]+)$/

export function parseToken(token: ClaimToken): readonly [id: string, k: string, holder: string] | undefined {
  const [, id, k, holder] = TOKEN.exec(token) ?? []
  return id === undefined || k === undefined || holder === undefined ? undefined : [id, k, holder]
}
