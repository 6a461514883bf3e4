/**
 * The JSON of the STARTTLS Everywhere policy list, version 0.1: `policies` of domains, each with `mode` and `mxs` or the
 * name of a policy in `policy-aliases`. A name in `mxs` that begins with a dot means every name below. Pure.
 */
import { type DomainName, parseDomainName } from './domain-name.ts'
import { type MxPattern, parseMxPattern } from './mta-sts/mx-match.ts'
import type { PreloadEntry } from './preload.ts'

export interface PreloadProblem {
  /** The number of the line, the entry of the JSON, or the list as a whole. */
  readonly at: number | string
  readonly kind:
    | 'empty-file'
    | 'not-json'
    | 'not-an-object'
    | 'unknown-version'
    | 'not-a-time'
    | 'not-a-domain'
    | 'domain-twice'
    | 'unknown-field'
    | 'unknown-mode'
    | 'unknown-alias'
    | 'not-a-pattern'
    | 'no-patterns'
    | 'too-many-patterns'
    | 'too-many-entries'
  readonly text?: string
}

export interface ReadList {
  readonly entries: ReadonlyMap<DomainName, PreloadEntry>
  readonly expiresAt: number | undefined
  readonly problems: readonly PreloadProblem[]
}

const VERSION = '0.1'
export const PATTERNS_MAX = 100
/** What says nothing about what has to hold. */
const HARMLESS: ReadonlySet<string> = new Set(['mta-sts', 'report'])

type Problems = PreloadProblem[]
type Fields = Readonly<Record<string, unknown>>

export function readJsonList(text: string): ReadList {
  const problems: Problems = []
  const entries = new Map<DomainName, PreloadEntry>()
  const list = objectAt('list', parsed(text, problems), problems)
  if (list === undefined) return { entries, expiresAt: undefined, problems }
  if (list['version'] !== VERSION)
    problems.push({ at: 'version', kind: 'unknown-version', text: shown(list['version']) })
  const expiresAt = time(list['expires'], problems)
  const aliases = objectAt('policy-aliases', list['policy-aliases'] ?? {}, problems) ?? {}
  const policies = objectAt('policies', list['policies'], problems) ?? {}
  for (const [written, value] of Object.entries(policies)) {
    const at = `policies: ${written}`
    const domain = parseDomainName(written)
    if (!domain.ok) problems.push({ at, kind: 'not-a-domain', text: written })
    else if (entries.has(domain.value)) problems.push({ at, kind: 'domain-twice', text: domain.value })
    const entry = entryAt(at, value, { aliases, problems })
    if (domain.ok && entry !== undefined) entries.set(domain.value, entry)
  }
  return { entries, expiresAt, problems }
}

function parsed(text: string, problems: Problems): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    problems.push({ at: 'list', kind: 'not-json', ...(error instanceof Error ? { text: error.message } : {}) })
    return undefined
  }
}

interface Known {
  readonly aliases: Fields
  readonly problems: Problems
}

function entryAt(at: string, value: unknown, { aliases, problems }: Known): PreloadEntry | undefined {
  const fields = objectAt(at, value, problems)
  const alias = fields?.['policy-alias']
  if (fields === undefined || alias === undefined) return fields && policyAt(at, fields, problems)
  const name = typeof alias === 'string' ? alias : shown(alias)
  // Other fields do not count beside an alias.
  if (!Object.hasOwn(aliases, name)) {
    problems.push({ at, kind: 'unknown-alias', text: name })
    return undefined
  }
  const meant = objectAt(`policy-aliases: ${name}`, aliases[name], problems)
  return meant && policyAt(`policy-aliases: ${name}`, meant, problems)
}

function policyAt(at: string, { mode, mxs, ...others }: Fields, problems: Problems): PreloadEntry | undefined {
  for (const field of Object.keys(others)) {
    if (!HARMLESS.has(field)) problems.push({ at, kind: 'unknown-field', text: field })
  }
  if (mode !== 'enforce' && mode !== 'testing') problems.push({ at, kind: 'unknown-mode', text: shown(mode) })
  const written: readonly unknown[] = Array.isArray(mxs) ? mxs : []
  if (written.length === 0) problems.push({ at, kind: 'no-patterns' })
  if (written.length > PATTERNS_MAX) problems.push({ at, kind: 'too-many-patterns' })
  const [first, ...more] = written.flatMap((text): readonly MxPattern[] => {
    const pattern = typeof text === 'string' ? patternOf(text) : undefined
    if (pattern === undefined) problems.push({ at, kind: 'not-a-pattern', text: shown(text) })
    return pattern === undefined ? [] : [pattern]
  })
  return first === undefined || (mode !== 'enforce' && mode !== 'testing') ? undefined : { mode, mx: [first, ...more] }
}

function patternOf(text: string): MxPattern | undefined {
  if (!text.startsWith('.')) return parseMxPattern(text)
  const pattern = parseMxPattern(text.slice(1))
  return pattern?.kind === 'host' ? { kind: 'suffix', name: pattern.name } : undefined
}

/** Seconds since 1970, or an Internet date and time; one that does not say is not believed for ever. */
function time(value: unknown, problems: Problems): number | undefined {
  const ms = typeof value === 'number' ? value * 1000 : typeof value === 'string' ? Date.parse(value) : Number.NaN
  if (Number.isFinite(ms)) return ms
  problems.push({ at: 'expires', kind: 'not-a-time', text: shown(value) })
  return undefined
}

function objectAt(at: string, value: unknown, problems: Problems): Fields | undefined {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  // What could not be parsed has its problem already.
  if (value !== undefined || at !== 'list') problems.push({ at, kind: 'not-an-object', text: shown(value) })
  return undefined
}

const SHOWN_MAX = 80

function shown(value: unknown): string {
  return (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing')).slice(0, SHOWN_MAX)
}
