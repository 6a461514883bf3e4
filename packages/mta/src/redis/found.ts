/** Findings of scripts (`found.lua`) as values. */
import type { MendFinding, MendKind } from '../spool/mend-report.ts'

/** The text that goes before a script which tells findings. */
export const FOUND_LUA = new URL('./found.lua', import.meta.url)

/** `{kind, count, example…}…` as a client answers it, texts as strings or octets. */
export function findingsOf(reply: unknown): readonly MendFinding[] {
  if (!Array.isArray(reply)) return []
  return reply.map((entry: unknown): MendFinding => {
    const [kind, count, ...examples] = Array.isArray(entry) ? entry.map(String) : []
    // Our own scripts name no others.
    return { kind: kind as MendKind, count: Number(count), examples }
  })
}
