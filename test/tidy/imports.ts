/**
 * Who imports whom, read from import and export statements. Pure.
 */
import { posix } from 'node:path'
import { blank, lineOf } from './code-text.ts'
import type { SourceFile } from './sources.ts'

export interface Import {
  readonly from: string
  readonly line: number
  readonly specifier: string
  /** The imported file of this repository; undefined for packages and Node's own modules. */
  readonly target: string | undefined
  readonly typeOnly: boolean
}

const STATEMENT =
  /(?:^|\n)[ \t]*(import|export)\b(\s+type\b)?(?:[^'"`;]*?\bfrom)?\s*'([^'\n]+)'|\bimport\(\s*'([^'\n]+)'\s*\)/g

/** What `exports` of the packages name. */
export const PACKAGE_ENTRY: Readonly<Record<string, string>> = {
  '@hermetic/policy': 'packages/policy/src/index.ts',
  '@hermetic/policy/redis-script': 'packages/policy/src/adapters/redis-script.ts',
  // Threads of stores load this without the rest of the package.
  '@hermetic/policy/sqlite-file': 'packages/policy/src/adapters/sqlite-file.ts',
  '@hermetic/reporter': 'packages/reporter/src/index.ts',
  '@hermetic/mta': 'packages/mta/src/index.ts',
}

export function importsOf(file: SourceFile): readonly Import[] {
  const { code, withStrings: text } = blank(file.text)
  return [...text.matchAll(STATEMENT)].flatMap((match) => {
    const specifier = match[3] ?? match[4]
    // In code the keyword stands; in a string or template only its look-alike.
    const keyword = match.index + match[0].search(/\b(?:import|export)\b/)
    if (specifier === undefined || code[keyword] === ' ') return []
    const relative = specifier.startsWith('.')
    return [
      {
        from: file.path,
        line: lineOf(text, match.index + match[0].indexOf(specifier)),
        specifier,
        target: relative ? posix.join(posix.dirname(file.path), specifier) : PACKAGE_ENTRY[specifier],
        typeOnly: match[2] !== undefined,
      },
    ]
  })
}

/** The name of the package behind a specifier, or `node:x`. */
export function packageOf(specifier: string): string {
  const parts = specifier.split('/')
  return specifier.startsWith('@') ? parts.slice(0, 2).join('/') : (parts[0] ?? specifier)
}

/** Each cycle once, as the files along it; depth first over a graph in which order does not matter. */
export function findCycles(imports: readonly Import[]): readonly (readonly string[])[] {
  const edges = new Map<string, string[]>()
  for (const { from, target } of imports) {
    if (target !== undefined) edges.set(from, [...(edges.get(from) ?? []), target])
  }
  const done = new Set<string>()
  const path: string[] = []
  const cycles: (readonly string[])[] = []
  const visit = (file: string): void => {
    const at = path.indexOf(file)
    if (at !== -1) {
      cycles.push([...path.slice(at), file])
      return
    }
    if (done.has(file)) return
    path.push(file)
    for (const next of edges.get(file) ?? []) visit(next)
    path.pop()
    done.add(file)
  }
  for (const file of edges.keys()) visit(file)
  return cycles
}
