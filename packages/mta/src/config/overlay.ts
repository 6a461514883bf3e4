/**
 * The values of the file with those of the environment over them. Pure.
 */
import { type ConfigPath, comparePaths } from './config-path.ts'
import type { EnvironmentProblem, EnvironmentSetting } from './environment.ts'

export interface Overlaid {
  readonly values: Record<string, unknown>
  readonly problems: readonly EnvironmentProblem[]
}

export function overlaid(values: Readonly<Record<string, unknown>>, settings: readonly EnvironmentSetting[]): Overlaid {
  const root: Record<string, unknown> = copied(values)
  const problems: EnvironmentProblem[] = []
  const inOrder = [...settings].sort((left, right) => comparePaths(left.path, right.path))
  for (const { path, value, variable } of inOrder) {
    const gap = setAt(root, path, value)
    if (gap === undefined) continue
    problems.push({
      variable,
      wrong: `counts past the end: there are ${gap}`,
      remedy: `use index ${gap} for the next one`,
    })
  }
  return { values: root, problems }
}

/** Answers the length of the list whose end was passed. Values in the way are left for the schema to refuse. */
function setAt(root: Record<string, unknown>, path: ConfigPath, value: unknown): number | undefined {
  let here: unknown = root
  for (const [depth, step] of path.entries()) {
    if (typeof here !== 'object' || here === null) return undefined
    if (Array.isArray(here) && Number(step) > here.length) return here.length
    const last = depth === path.length - 1
    const next: unknown = typeof path[depth + 1] === 'number' ? [] : {}
    if (last) Reflect.set(here, step, value)
    else if (Reflect.get(here, step) === undefined) Reflect.set(here, step, next)
    here = Reflect.get(here, step)
  }
  return undefined
}

/** Tables and lists, which are written into; values stay what they are. */
function copied(table: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(table).map(([name, value]) => [name, copyOf(value)]))
}

function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf)
  return typeof value === 'object' && value !== null && !(value instanceof Date) ? copied({ ...value }) : value
}
