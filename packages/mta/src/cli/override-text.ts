/** Overrides and the preload list as people and programs like to read them. Pure. */
import { assertNever, type Mechanism, type RequiredDemand } from '@hermetic/policy'
import type { LocalPolicyReport, OverrideReport, PreloadReport } from '../local-policy/report.ts'
import { isoTime, type Paper } from './queue-text.ts'
import { counted, formatAge, formatTable } from './table.ts'

/** What `--json` prints; names are promises. */
export function overrideJson(override: OverrideReport): string {
  const { domain, state, kind } = override
  switch (kind) {
    case 'require':
      return JSON.stringify({ kind, domain, state, require: override.demand })
    case 'enforcement':
      return JSON.stringify({ kind, domain, state, enforcement: override.enforcement })
    case 'waive': {
      const { mechanisms, reason, author, until } = override
      return JSON.stringify({ kind, domain, state, waive: mechanisms, reason, author, until: isoTime(until) })
    }
    default:
      return assertNever(override)
  }
}

export function preloadJson({ path, domains, state, expiresAt }: PreloadReport): string {
  const expires = expiresAt === undefined ? null : isoTime(expiresAt)
  return JSON.stringify({ kind: 'preload-list', path, domains, state, expires_at: expires })
}

export function overridesText({ enforcement, overrides, preload }: LocalPolicyReport, { now, width }: Paper): string {
  const everywhere =
    enforcement === 'enforce'
      ? 'Policies are enforced, but for what is written here.\n'
      : 'Policies are only observed: nothing is refused for MTA-STS or DANE, but for what is written here.\n'
  const columns = [{ title: 'DOMAIN' }, { title: 'STATE' }, { title: 'CHANGES' }] as const
  const rows = overrides.map((override) => [override.domain, stateWords(override, now), changeWords(override)])
  const table = rows.length === 0 ? 'There are no overrides.\n' : formatTable(columns, rows, width)
  return `${everywhere}\n${table}${preload === undefined ? '' : `\nWhere no policy could be fetched: ${preloadText(preload, now)}`}`
}

/** For lists of policies too: it is what counts where none could be fetched. */
export function preloadText({ path, domains, state, expiresAt }: PreloadReport, now: number): string {
  const list = `the preload list ${path} has ${counted(domains, 'domain')}`
  if (expiresAt === undefined) return `${list}; it has no date on which it ends.\n`
  if (state === 'expired') return `${list}; it ended ${formatAge(now - expiresAt)} ago and counts no more.\n`
  return `${list}; it ends in ${formatAge(expiresAt - now)} (${isoTime(expiresAt)}).\n`
}

function stateWords(override: OverrideReport, now: number): string {
  if (override.kind !== 'waive') return override.state
  const { state, until } = override
  if (state === 'expired') return `expired ${formatAge(now - until)} ago`
  return `${state}, ${formatAge(until - now)} left`
}

const DEMANDS: Readonly<Record<RequiredDemand, string>> = {
  dane: 'requires DANE: TLSA records and a certificate that they mean',
  pkix: 'requires a certificate for the host’s name from a trusted authority',
  encrypted: 'requires TLS, whatever the certificate',
}

const MECHANISMS: Readonly<Record<Mechanism, string>> = { 'mta-sts': 'MTA-STS', dane: 'DANE' }

function changeWords(override: OverrideReport): string {
  switch (override.kind) {
    case 'require':
      return DEMANDS[override.demand]
    case 'enforcement':
      return override.enforcement === 'observe'
        ? 'observes its policies: nothing is refused for them'
        : 'enforces its policies'
    case 'waive': {
      const { mechanisms, reason, author, until, state } = override
      const verb = state === 'expired' ? 'waived' : 'waives'
      const what = mechanisms.map((mechanism) => MECHANISMS[mechanism]).join(' and ')
      return `${verb} ${what} until ${isoTime(until)}: ${reason} (${author})`
    }
    default:
      return assertNever(override)
  }
}
