/**
 * zod's issues as configuration problems: the one table from issue to words. Pure.
 */
import type { z } from 'zod'
import { type ConfigPath, formatPath, namesOf } from './config-path.ts'
import { childrenOf, findEntry, outline } from './outline.ts'
import { suggestion } from './suggestion.ts'
import { nameOf } from './value-type.ts'

/** A problem before it has a place: `locate` in `load.ts` adds that from the path. */
export interface PathProblem {
  readonly path: ConfigPath
  readonly wrong: string
  readonly remedy: string
}

export function problemsOfIssues(issues: readonly z.core.$ZodIssue[], input: unknown): readonly PathProblem[] {
  return issues.flatMap((issue) => problemsOfIssue(issue, input))
}

function problemsOfIssue(issue: z.core.$ZodIssue, input: unknown): readonly PathProblem[] {
  const path = issue.path.filter((step) => typeof step !== 'symbol')
  switch (issue.code) {
    case 'custom':
      return [{ path, wrong: issue.message, remedy: `write ${String(issue.params?.['write'])}` }]
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey([...path, key]))
    case 'invalid_type':
      return [wrongShape(path, valueAt(input, path))]
    case 'too_big':
      // zod measures the length of strings too, after it has said that they are no lists.
      if (!Array.isArray(valueAt(input, path))) return []
      return [{ path, wrong: `has more than ${issue.maximum} items`, remedy: `write at most ${issue.maximum}` }]
    default:
      // The schema is made of the four cases above; another one is a mistake in `setting.ts`.
      throw new Error(`no words for zod issue ${issue.code} at ${formatPath(path)}`)
  }
}

function unknownKey(path: ConfigPath): PathProblem {
  const key = String(path.at(-1))
  const parent = namesOf(path.slice(0, -1))
  const known = childrenOf(parent)
  const near = suggestion(key, known)
  if (near !== undefined) return { path, wrong: 'is not a setting', remedy: `did you mean ${near}?` }
  const [elsewhere, ...more] = outline.filter((entry) => entry.names.at(-1) === key)
  // Of several tables with such a key, none is the one that was meant.
  if (elsewhere !== undefined && more.length === 0) {
    return { path, wrong: 'is not a setting here', remedy: `write it ${placeOf(elsewhere.names.slice(0, -1))}` }
  }
  return { path, wrong: 'is not a setting', remedy: `remove it; known here: ${known.join(', ')}` }
}

function placeOf(table: readonly string[]): string {
  return table.length === 0 ? 'above the first table' : `in ${headerOf(table)}`
}

function headerOf(names: readonly string[]): string {
  return findEntry(names)?.kind === 'table-list' ? `[[${names.join('.')}]]` : `[${names.join('.')}]`
}

function wrongShape(path: ConfigPath, found: unknown): PathProblem {
  const names = namesOf(path)
  const entry = findEntry(names)
  if (entry?.kind === 'setting') {
    return { path, wrong: `is ${nameOf(found)}, not a list`, remedy: 'write a list, e.g. ["…"]' }
  }
  const header = headerOf(names)
  const wrong = Array.isArray(found) ? 'is a list of tables, but there is only one' : `is ${nameOf(found)}`
  const isListWanted = entry?.kind === 'table-list'
  return { path, wrong: isListWanted ? `${wrong}, not a list of tables` : wrong, remedy: `write ${header}` }
}

function valueAt(input: unknown, path: ConfigPath): unknown {
  let here = input
  for (const step of path) {
    if (typeof here !== 'object' || here === null) return undefined
    here = Reflect.get(here, step)
  }
  return here
}
