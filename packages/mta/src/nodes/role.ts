/**
 * What a process of the relay does. By default all of it; with the queue in Redis the roles may be spread over processes.
 * Which duty belongs to which role is a table in `docs/operating/roles.md`. Pure.
 */
import { err, ok, type Result } from '@hermetic/policy'

/** `submission` takes mail, `delivery` sends it, `reporter` sends TLS reports, `api` serves the control API. */
export const ROLES = ['submission', 'delivery', 'reporter', 'api'] as const

export type Role = (typeof ROLES)[number]

/** With an embedded queue one process has all of its files: only the API may be left out. */
const APART_NEVER: readonly Role[] = ['submission', 'delivery', 'reporter']

/** `submission, api`: in the order of `ROLES`. The error is the word that is none, or empty when nothing is named. */
export function parseRoles(text: string): Result<readonly Role[], string> {
  const words = text.split(',').map((word) => word.trim())
  const unknown = words.find((word) => !ROLES.some((role) => role === word))
  return unknown === undefined ? ok(ROLES.filter((role) => words.includes(role))) : err(unknown)
}

/** Roles that a process with an embedded queue lacks. */
export function rolesMissingAlone(roles: readonly Role[]): readonly Role[] {
  return APART_NEVER.filter((role) => !roles.includes(role))
}

/** What nobody does who lives and works. A node that drains does nothing of its own accord any more. */
export function rolesWithoutNode(
  wanted: readonly Role[],
  nodes: readonly { readonly standing: string; readonly roles: readonly Role[] }[] | undefined,
): readonly Role[] {
  // Nobody knows.
  if (nodes === undefined) return []
  const working = nodes.filter(({ standing }) => standing === 'running' || standing === 'starting')
  return wanted.filter((role) => !working.some(({ roles }) => roles.includes(role)))
}

/** For operators: what does not happen for want of a role. */
export const WITHOUT_ROLE: Readonly<Record<Role, string>> = {
  submission: 'no node takes mail (role submission)',
  delivery: 'no node delivers: mail waits (role delivery)',
  reporter: 'no node sends TLS reports (role reporter)',
  api: 'no node serves the control API (role api)',
}
