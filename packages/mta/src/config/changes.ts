/**
 * What a changed configuration means for a relay that runs: which settings it can take over at once, which wait for a
 * restart, and the configuration that it then goes by. Pure.
 *
 * A setting is live when whatever uses it can be given another value between two steps of its work. All else is named,
 * never half applied.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Config, ListenerConfig } from './schema.ts'
import { Secret } from './secret.ts'

export interface ConfigChanges {
  /** Names of settings, as `submission.max_recipients`, `listener[0].cert_file` or `route`. */
  readonly live: readonly string[]
  readonly restart: readonly string[]
  /** The running configuration with the live changes in it. */
  readonly effective: Config
}

type Section = keyof Config

/** Lists that are taken over whole. */
const LIVE_LISTS: ReadonlySet<Section> = new Set(['credential', 'network_quota', 'route', 'policy_override', 'dkim'])

const LIVE_SETTINGS: Readonly<Partial<Record<Section, ReadonlySet<string>>>> = {
  delivery: new Set([
    'retry_quick',
    'retry_greylisted',
    'retry_interval',
    'retry_interval_max',
    'max_age',
    'max_age_dsn',
  ]),
  submission: new Set([
    'max_message_size',
    'max_recipients',
    'max_sessions',
    'max_sessions_per_address',
    'require_tls',
    'ignore_tls_required_no',
  ]),
  suppression: new Set(['statuses', 'strikes', 'window', 'expiry', 'max_entries']),
  mta_sts: new Set(['preload_file']),
  api: new Set(['cert_file', 'key_file']),
}

const LIVE_OF_LISTENERS: ReadonlySet<string> = new Set([
  'cert_file',
  'key_file',
  'require_auth',
  'allow_networks',
  'proxy_networks',
  'repair_line_ends',
])

export function configChanges(running: Config, next: Config): ConfigChanges {
  const sections = [...new Set([...Object.keys(running), ...Object.keys(next)])] as Section[]
  const parts = sections.map((section) => sectionChanges(section, running, next))
  return {
    live: parts.flatMap(({ live }) => live),
    restart: parts.flatMap(({ restart }) => restart),
    // Each section has the type that it had; only the pairing is lost on the way.
    effective: Object.fromEntries(parts.map(({ section, value }) => [section, value])) as unknown as Config,
  }
}

interface SectionChanges {
  readonly section: Section
  readonly live: readonly string[]
  readonly restart: readonly string[]
  readonly value: unknown
}

function sectionChanges(section: Section, running: Config, next: Config): SectionChanges {
  const before = running[section]
  const after = next[section]
  if (isSame(before, after)) return { section, live: [], restart: [], value: before }
  if (section === 'listener') return listenerChanges(running.listener, next.listener)
  if (LIVE_LISTS.has(section)) {
    const isLive = listIsLive(section, running, next)
    return { section, ...named([section], isLive), value: isLive ? after : before }
  }
  const live = LIVE_SETTINGS[section]
  if (live === undefined) return { section, ...named([section], false), value: before }
  return { section, ...tableChanges(section, { before, after, live: liveOf(section, live, { running, next }) }) }
}

/** Some lists need something that only a start can make. */
function listIsLive(section: Section, running: Config, next: Config): boolean {
  // Notifications are signed from the start or not at all.
  if (section === 'dkim') return running.dkim.length > 0
  // A route may name addresses that nobody has tried to bind.
  return section !== 'route' || isSame(running.source, next.source)
}

/** A list that was not there has nobody who watches it. */
function liveOf(
  section: Section,
  live: ReadonlySet<string>,
  { running, next }: { readonly running: Config; readonly next: Config },
): ReadonlySet<string> {
  if (section !== 'mta_sts') return live
  return running.mta_sts.preload_file !== undefined && next.mta_sts.preload_file !== undefined ? live : new Set()
}

interface Table {
  readonly before: unknown
  readonly after: unknown
  readonly live: ReadonlySet<string>
}

function tableChanges(name: string, { before, after, live }: Table): Omit<SectionChanges, 'section'> {
  const old = fieldsOf(before)
  const fresh = fieldsOf(after)
  const value = { ...old }
  const changes: { live: string[]; restart: string[] } = { live: [], restart: [] }
  for (const field of new Set([...Object.keys(old), ...Object.keys(fresh)])) {
    if (isSame(old[field], fresh[field])) continue
    changes[live.has(field) ? 'live' : 'restart'].push(`${name}.${field}`)
    if (!live.has(field)) continue
    if (fresh[field] === undefined) delete value[field]
    else value[field] = fresh[field]
  }
  return { ...changes, value }
}

/** Sockets stay as they are; what is decided behind them may change. */
function listenerChanges(before: readonly ListenerConfig[], after: readonly ListenerConfig[]): SectionChanges {
  const section = 'listener'
  if (before.length !== after.length) return { section, live: [], restart: [section], value: before }
  const each = before.map((one, index) =>
    tableChanges(`${section}[${index}]`, { before: one, after: after[index], live: LIVE_OF_LISTENERS }),
  )
  return {
    section,
    live: each.flatMap(({ live }) => live),
    restart: each.flatMap(({ restart }) => restart),
    value: each.map(({ value }) => value),
  }
}

function named(names: readonly string[], isLive: boolean): Pick<SectionChanges, 'live' | 'restart'> {
  return isLive ? { live: names, restart: [] } : { live: [], restart: names }
}

function fieldsOf(table: unknown): Record<string, unknown> {
  return typeof table === 'object' && table !== null ? { ...table } : {}
}

function isSame(left: unknown, right: unknown): boolean {
  return isDeepStrictEqual(comparable(left), comparable(right))
}

/** What a secret holds is hidden from comparisons too. */
function comparable(value: unknown): unknown {
  if (value instanceof Secret) return { secret: value.reveal() }
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, comparable(inner)]))
}
