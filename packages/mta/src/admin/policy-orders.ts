/**
 * Orders about cached policies over `admin.sock`: what the command line may ask, checked, and the client's side of
 * it. What happens is decided in the policy package.
 */
import { type DomainName, err, ok, type PolicyAdmin, parseDomainName, type Result } from '@hermetic/policy'
import type { Ask, ControlOrder, OrderRole } from './control-order.ts'
import { fieldsOf, PAGE_MAX } from './control-protocol.ts'

/** Names of logins are short; this is what may end up in a log line. */
const BY_MAX = 128
const OFF = 'MTA-STS is off: [mta_sts] enabled = false'

/** Absent: MTA-STS is off, and every order is refused with that. */
export function policyOrders(policies: PolicyAdmin | undefined): readonly ControlOrder[] {
  const order = <T>(
    [verb, role]: readonly [string, OrderRole],
    parse: (body: unknown) => Result<T, string>,
    act: (admin: PolicyAdmin, asked: T) => Promise<unknown>,
  ): ControlOrder => ({
    path: `/policy/${verb}`,
    role,
    parse: (body) => {
      if (policies === undefined) return err(OFF)
      const asked = parse(body)
      return asked.ok ? ok(() => act(policies, asked.value)) : asked
    },
  })
  return [
    order(['list', 'read'], parsePage, (admin, page) => admin.list(page)),
    order(['show', 'read'], parseDomain, (admin, { domain }) => admin.show(domain)),
    order(['purge', 'operate'], parsePurge, (admin, { domain, by }) => admin.purge(domain, by)),
    order(['refresh', 'operate'], parseDomain, (admin, { domain }) => admin.refresh(domain)),
  ]
}

/** The running relay's, for the command line. */
export function policyClient(ask: Ask): PolicyAdmin {
  return {
    list: ({ after, limit }) => ask('/policy/list', { after, limit: Math.min(limit, PAGE_MAX) }),
    show: async (domain) =>
      (await ask<Awaited<ReturnType<PolicyAdmin['show']>> | null>('/policy/show', { domain })) ?? undefined,
    purge: async (domain, by) =>
      (await ask<Awaited<ReturnType<PolicyAdmin['purge']>> | null>('/policy/purge', { domain, by })) ?? undefined,
    refresh: (domain) => ask('/policy/refresh', { domain }),
  }
}

function parsePage(body: unknown): Result<{ readonly after?: DomainName; readonly limit: number }, string> {
  const fields = fieldsOf(body, ['after', 'limit'])
  if (!fields.ok) return fields
  const { after, limit } = fields.value
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) return err('limit')
  if (after === undefined) return ok({ limit })
  const name = domainOf(after)
  return name === undefined ? err('after: not a domain') : ok({ after: name, limit })
}

function parseDomain(body: unknown): Result<{ readonly domain: DomainName }, string> {
  const fields = fieldsOf(body, ['domain'])
  if (!fields.ok) return fields
  const domain = domainOf(fields.value['domain'])
  return domain === undefined ? err('domain: not a domain') : ok({ domain })
}

function parsePurge(body: unknown): Result<{ readonly domain: DomainName; readonly by: string }, string> {
  const fields = fieldsOf(body, ['domain', 'by'])
  if (!fields.ok) return fields
  const domain = domainOf(fields.value['domain'])
  const { by } = fields.value
  if (domain === undefined) return err('domain: not a domain')
  if (typeof by !== 'string' || by === '' || by.length > BY_MAX) return err('by: say who orders it')
  return ok({ domain, by })
}

function domainOf(value: unknown): DomainName | undefined {
  const name = typeof value === 'string' ? parseDomainName(value) : undefined
  return name?.ok === true ? name.value : undefined
}
