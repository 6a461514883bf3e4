/**
 * Reads a preload list: lines of a domain and its MX patterns, or the JSON of the STARTTLS Everywhere policy list 0.1.
 *
 * ```
 * # domain      patterns: a host, or any one label before a name
 * example.com   mx1.example.com  *.mx.example.net
 * ```
 *
 * All problems are told at once, each with the line or the entry that it is in; a list with a problem is not used at all.
 * What a JSON list asks for and we do not check (pinned keys) is a problem, for it would promise too much. Pure.
 */
import { type DomainName, parseDomainName } from './domain-name.ts'
import { type MxPattern, parseMxPattern } from './mta-sts/mx-match.ts'
import type { PreloadEntry, PreloadList } from './preload.ts'
import { PATTERNS_MAX, type PreloadProblem, readJsonList } from './preload-json.ts'
import { err, ok, type Result } from './result.ts'

export type { PreloadProblem } from './preload-json.ts'

export interface PreloadListError {
  /** The first ones; `more` are not told. */
  readonly problems: readonly [PreloadProblem, ...PreloadProblem[]]
  readonly more: number
}

/** A list of all mail domains that anybody ever preloaded had four digits of entries. */
const ENTRIES_MAX = 100_000
const PROBLEMS_TOLD = 20

export function parsePreloadList(text: string): Result<PreloadList, PreloadListError> {
  // So a file looks that is just being written; a list of nobody has at least a comment.
  if (text.trim() === '') return err({ problems: [{ at: 'list', kind: 'empty-file' }], more: 0 })
  const read = text.trimStart().startsWith('{') ? readJsonList(text) : readLines(text)
  const { entries, expiresAt, problems } = read
  const tooMany = entries.size > ENTRIES_MAX ? [{ at: 'list', kind: 'too-many-entries' } as const] : []
  const [first, ...rest] = [...problems, ...tooMany]
  if (first === undefined) return ok({ entries, expiresAt })
  const told = rest.slice(0, PROBLEMS_TOLD - 1)
  return err({ problems: [first, ...told], more: rest.length - told.length })
}

interface Lines {
  readonly entries: Map<DomainName, PreloadEntry>
  readonly expiresAt: undefined
  readonly problems: PreloadProblem[]
}

function readLines(text: string): Lines {
  const lines: Lines = { entries: new Map(), expiresAt: undefined, problems: [] }
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const [written, ...patterns] = line
      .replace(/#.*$/, '')
      .split(/\s+/)
      .filter((word) => word !== '')
    if (written !== undefined) readLine({ at: index + 1, written, patterns }, lines)
  }
  return lines
}

interface Line {
  readonly at: number
  readonly written: string
  readonly patterns: readonly string[]
}

function readLine({ at, written, patterns }: Line, { entries, problems }: Lines): void {
  const domain = parseDomainName(written)
  if (!domain.ok) {
    problems.push({ at, kind: 'not-a-domain', text: written })
    return
  }
  if (entries.has(domain.value)) problems.push({ at, kind: 'domain-twice', text: domain.value })
  const mx: MxPattern[] = []
  for (const text of patterns) {
    const pattern = parseMxPattern(text)
    if (pattern === undefined) problems.push({ at, kind: 'not-a-pattern', text })
    else mx.push(pattern)
  }
  const [first, ...more] = mx
  if (patterns.length === 0) problems.push({ at, kind: 'no-patterns', text: domain.value })
  if (patterns.length > PATTERNS_MAX) problems.push({ at, kind: 'too-many-patterns', text: domain.value })
  if (first !== undefined) entries.set(domain.value, { mode: 'enforce', mx: [first, ...more] })
}
