/** Orders about daily reports over `admin.sock`: what the command line may ask, checked, and the client's side of it. */
import { type DomainName, err, ok, parseDomainName, type Result } from '@hermetic/policy'
import { parseUtcDay, type ReportPage, type UtcDay } from '@hermetic/reporter'
import type { ReportAdmin, RunOrder } from '../reporting/report-admin.ts'
import type { Ask, ControlOrder, OrderRole } from './control-order.ts'
import { fieldsOf, PAGE_MAX } from './control-protocol.ts'

const OFF = 'no reports here: [tlsrpt] enabled = false, or other processes have the roles reporter and api'

/** Absent: reports are off, and every order is refused with that. */
export function reportOrders(admin: ReportAdmin | undefined): readonly ControlOrder[] {
  const order = <T>(
    [verb, role]: readonly [string, OrderRole],
    parse: (body: unknown) => Result<T, string>,
    act: (admin: ReportAdmin, asked: T) => Promise<unknown>,
  ): ControlOrder => ({
    path: `/tlsrpt/${verb}`,
    role,
    parse: (body) => {
      if (admin === undefined) return err(OFF)
      const asked = parse(body)
      return asked.ok ? ok(() => act(admin, asked.value)) : asked
    },
  })
  return [
    order(['days', 'read'], parseNothing, (reports) => reports.days()),
    order(['reports', 'read'], parsePage, (reports, { day, ...page }) => reports.reports(day, page)),
    order(['preview', 'read'], parsePage, (reports, { day, ...page }) => reports.preview(day, page)),
    order(['sums', 'read'], parseSums, (reports, { domain, day }) => reports.sums(domain, day)),
    order(['run', 'operate'], parseRun, (reports, asked) => reports.run(asked)),
  ]
}

/** The running relay's, for the command line. */
export function reportClient(ask: Ask): ReportAdmin {
  const page = ({ limit, after }: ReportPage) => ({ limit: Math.min(limit, PAGE_MAX), after })
  return {
    days: () => ask('/tlsrpt/days', {}),
    reports: (day, asked) => ask('/tlsrpt/reports', { day, ...page(asked) }),
    preview: (day, asked) => ask('/tlsrpt/preview', { day, ...page(asked) }),
    sums: async (domain, day) =>
      (await ask<Awaited<ReturnType<ReportAdmin['sums']>> | null>('/tlsrpt/sums', { domain, day })) ?? undefined,
    run: ({ day, urgent }) => ask('/tlsrpt/run', { day, urgent }),
  }
}

function parseNothing(body: unknown): Result<Readonly<Record<string, unknown>>, string> {
  return fieldsOf(body, [])
}

function parsePage(body: unknown): Result<ReportPage & { readonly day: UtcDay }, string> {
  const fields = fieldsOf(body, ['day', 'after', 'limit'])
  if (!fields.ok) return fields
  const { limit, after } = fields.value
  const day = dayOf(fields.value['day'])
  if (day === undefined) return err('day: not a day')
  if (typeof limit !== 'number' || !Number.isInteger(limit) || limit < 1 || limit > PAGE_MAX) return err('limit')
  if (after === undefined) return ok({ day, limit })
  const name = domainOf(after)
  return name === undefined ? err('after: not a domain') : ok({ day, limit, after: name })
}

function parseSums(body: unknown): Result<{ readonly domain: DomainName; readonly day: UtcDay }, string> {
  const fields = fieldsOf(body, ['domain', 'day'])
  if (!fields.ok) return fields
  const [domain, day] = [domainOf(fields.value['domain']), dayOf(fields.value['day'])]
  if (domain === undefined) return err('domain: not a domain')
  return day === undefined ? err('day: not a day') : ok({ domain, day })
}

function parseRun(body: unknown): Result<RunOrder, string> {
  const fields = fieldsOf(body, ['day', 'urgent'])
  if (!fields.ok) return fields
  const { day: asked, urgent } = fields.value
  if (typeof urgent !== 'boolean') return err('urgent')
  if (asked === undefined) return ok({ urgent })
  const day = dayOf(asked)
  return day === undefined ? err('day: not a day') : ok({ day, urgent })
}

function dayOf(value: unknown): UtcDay | undefined {
  return typeof value === 'string' ? parseUtcDay(value) : undefined
}

function domainOf(value: unknown): DomainName | undefined {
  const name = typeof value === 'string' ? parseDomainName(value) : undefined
  return name?.ok === true ? name.value : undefined
}
