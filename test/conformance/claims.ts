/**
 * Reads out of a test file's source text which conformance items its tests claim to cover. Pure.
 *
 * The repository is formatted by one tool, so indentation tells which test and which suites a line belongs to:
 * walking up, every line that is indented less opens something around it. A claim that cannot be read is a
 * finding, not silence.
 */
import { type ConformanceItem, type Observation, observationGap, titleNames } from './covers.ts'

export interface Claim {
  readonly id: string
  readonly observe: string
  readonly file: string
  /** The test's title, with those of the suites around it, outermost first. */
  readonly titles: readonly string[]
}

export interface Claims {
  readonly claims: readonly Claim[]
  readonly findings: readonly string[]
}

const CALL = /(?<![.\w])covers\(\s*((?:[^()]|\([^()]*\))*)\)/g
const TITLED = /\b(?:test|it|describe|suite)\((?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)/
const OPENED = /\b(?:test|it|describe|suite)\($/
const TITLE_ALONE = /^\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|`([^`]*)`)/
const OBSERVE = /observe:\s*'(\w+)'/

export function claimsOf(file: string, source: string): Claims {
  const claims: Claim[] = []
  const findings: string[] = []
  const lines = source.split('\n')
  for (const call of source.matchAll(CALL)) {
    const lineNumber = source.slice(0, call.index).split('\n').length
    const [first = ''] = (call[1] ?? '').split('{')
    const ids = [...first.matchAll(/'([A-Z]+-\d+)'/g)].flatMap(([, id]) => id ?? [])
    const observe = OBSERVE.exec(call[1] ?? '')?.[1]
    if (ids.length === 0 || observe === undefined) {
      findings.push(
        `${file}:${lineNumber}: write the ids and 'observe' of covers() as literals, for the table is made from them`,
      )
      continue
    }
    const titles = titlesAround(lines, lineNumber - 1)
    claims.push(...ids.map((id) => ({ id, observe, file, titles })))
  }
  return { claims, findings }
}

function titlesAround(lines: readonly string[], at: number): readonly string[] {
  const titles: string[] = []
  let depth = indentation(lines[at] ?? '')
  for (let index = at - 1; index >= 0 && depth > 0; index--) {
    const line = lines[index] ?? ''
    if (line.trim() === '' || indentation(line) >= depth) continue
    depth = indentation(line)
    const found = TITLED.exec(line) ?? (OPENED.test(line) ? TITLE_ALONE.exec(lines[index + 1] ?? '') : null)
    const title = found?.[1] ?? found?.[2] ?? found?.[3]
    if (title !== undefined) titles.unshift(title)
  }
  return titles
}

function indentation(line: string): number {
  return line.length - line.trimStart().length
}

const OBSERVATIONS: readonly string[] = ['smtp', 'dns', 'https', 'store', 'pure'] satisfies readonly Observation[]

/** What is wrong with the claims themselves. */
export function judgeClaims(claims: readonly Claim[], items: readonly ConformanceItem[]): readonly string[] {
  const byId = new Map(items.map((item) => [item.id, item]))
  return claims.flatMap((claim) => {
    const where = `${claim.file}: covers('${claim.id}')`
    const item = byId.get(claim.id)
    if (item === undefined) return [`${where}: no such item in docs/conformance/items.json`]
    if (!OBSERVATIONS.includes(claim.observe))
      return [`${where}: observe '${claim.observe}' is not one of ${OBSERVATIONS}`]
    const gap = observationGap(item.kind, claim.observe as Observation)
    if (gap !== undefined) return [`${where}: it ${gap}`]
    // A title made from a row is checked by covers() itself when the test runs.
    const named = claim.titles.some((title) => titleNames(title, claim.id) || title.includes('${'))
    if (!named) return [`${where}: the test's title does not name it; put the id at its beginning`]
    return []
  })
}

export interface Waiver {
  readonly id: string
  readonly reason: string
}

/** `docs/conformance/waivers.md`: list entries of the form `- **SMTP-05**: reason`, continued on indented lines. */
export function parseWaivers(markdown: string): readonly Waiver[] {
  const joined = markdown.replace(/\n {2,}(?=\S)/g, ' ')
  return [...joined.matchAll(/^- \*\*([A-Z]+-\d+)\*\*:[ \t]*(.*)$/gm)].map(([, id = '', reason = '']) => ({
    id,
    reason: reason.trim(),
  }))
}

export function judgeWaivers(
  waivers: readonly Waiver[],
  claims: readonly Claim[],
  items: readonly ConformanceItem[],
): readonly string[] {
  const known = new Set(items.map(({ id }) => id))
  const covered = new Set(claims.map(({ id }) => id))
  const where = 'docs/conformance/waivers.md'
  return waivers.flatMap(({ id, reason }, at) => {
    if (!known.has(id)) return [`${where}: ${id} is not an item`]
    if (covered.has(id)) return [`${where}: ${id} is covered by a test; remove its waiver`]
    if (waivers.findIndex((other) => other.id === id) !== at) return [`${where}: ${id} is waived twice`]
    return reason.length < 20 ? [`${where}: ${id} needs a reason that a stranger understands`] : []
  })
}
