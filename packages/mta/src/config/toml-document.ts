/**
 * A TOML file as values with the position of each: the one file that knows `toml-eslint-parser`.
 *
 * Nothing about settings is known here. The parser stops at the first mistake; a key that is written twice
 * is an exception: the second one is left out and reading goes on, so that the other problems are told too.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { type AST, ParseError, parseTOML } from 'toml-eslint-parser'
import type { ConfigPath } from './config-path.ts'
import { WrittenDate } from './written-date.ts'

/** Both count from 1. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface TomlDocument {
  readonly values: Readonly<Record<string, unknown>>
  /** Where the key of this path stands, or its table header, or the list item. */
  position(path: ConfigPath): Position | undefined
  readonly duplicates: readonly Position[]
}

export interface TomlSyntaxError {
  readonly at: Position
  /** The parser's sentence. */
  readonly detail: string
}

/** The parser gives its errors no code; a canary test fails when this sentence changes. */
const DUPLICATE_KEY = 'Defining a key multiple times is invalid'
const DUPLICATES_MAX = 100
/** The parser calls itself for each level, until the stack of the process is full. */
const TOO_DEEP = 'Lists or tables are nested too deeply'
/** A key or header of 64 parts or more: the parser's memory grows with their square. No setting has more than four. */
const ENDLESS_KEY = /^[\s[]*(?:[\w-]+\s*\.\s*){64}/

export function parseTomlDocument(text: string): Result<TomlDocument, TomlSyntaxError> {
  const lines = text.replace(/^\ufeff/, '').split('\n')
  const endless = lines.findIndex((line) => ENDLESS_KEY.test(line))
  if (endless >= 0) return err({ at: { line: endless + 1, column: 1 }, detail: TOO_DEEP })
  const duplicates: Position[] = []
  for (;;) {
    try {
      const program = parseTOML(lines.join('\n'), { tomlVersion: '1.0' })
      return ok({ ...valuesOf(program), duplicates })
    } catch (error) {
      if (error instanceof RangeError) return err({ at: deepestLine(lines), detail: TOO_DEEP })
      if (!(error instanceof ParseError)) throw error
      const at = { line: error.lineNumber, column: error.column + 1 }
      const line = lines[at.line - 1] ?? ''
      // A header that comes twice opens a table; without it the keys below would land in another one.
      const skippable = error.message === DUPLICATE_KEY && !/^\s*\[/.test(line) && !/"""|'''|\[\s*$/.test(line)
      if (!skippable || duplicates.length >= DUPLICATES_MAX) return err({ at, detail: error.message })
      duplicates.push(at)
      lines[at.line - 1] = ''
    }
  }
}

/** The line that opens the most. */
function deepestLine(lines: readonly string[]): Position {
  const opened = lines.map((line) => line.split(/[[{]/).length)
  const most = opened.reduce((a, b) => Math.max(a, b), 0)
  return { line: opened.indexOf(most) + 1, column: 1 }
}

function valuesOf(program: AST.TOMLProgram): Omit<TomlDocument, 'duplicates'> {
  const positions = new Map<string, Position>()
  const root = new Map<string, unknown>()
  const [top] = program.body
  for (const node of top.body) {
    if (node.type === 'TOMLTable') {
      rememberAll(positions, { path: node.resolvedKey, from: 1 }, node)
      const values = tableAt(root, node.resolvedKey)
      for (const pair of node.body) addPair({ values, path: node.resolvedKey, positions }, pair)
    } else {
      addPair({ values: root, path: [], positions }, node)
    }
  }
  return {
    values: plain(root) as Record<string, unknown>,
    position: (path) => positions.get(JSON.stringify(path)),
  }
}

interface Place {
  readonly values: Map<string, unknown>
  readonly path: ConfigPath
  readonly positions: Map<string, Position>
}

function addPair({ values, path, positions }: Place, pair: AST.TOMLKeyValue): void {
  const keys = pair.key.keys.map((key) => (key.type === 'TOMLBare' ? key.name : key.value))
  const full = [...path, ...keys]
  rememberAll(positions, { path: full, from: path.length + 1 }, pair)
  const last = keys.at(-1) ?? ''
  tableAt(values, keys.slice(0, -1)).set(last, valueOfNode(pair.value, full, positions))
}

function valueOfNode(node: AST.TOMLContentNode, path: ConfigPath, positions: Map<string, Position>): unknown {
  switch (node.type) {
    case 'TOMLArray':
      return node.elements.map((element, index) => {
        remember(positions, [...path, index], element)
        return valueOfNode(element, [...path, index], positions)
      })
    case 'TOMLInlineTable': {
      const values = new Map<string, unknown>()
      for (const pair of node.body) addPair({ values, path, positions }, pair)
      return values
    }
    case 'TOMLValue':
      return 'datetime' in node ? new WrittenDate(node.value, node.datetime) : node.value
  }
}

/** The path itself, and those above it that were not seen before: a dotted key opens tables. */
function rememberAll(
  positions: Map<string, Position>,
  { path, from }: { readonly path: ConfigPath; readonly from: number },
  node: AST.TOMLNode,
): void {
  for (let depth = from; depth <= path.length; depth++) {
    const prefix = path.slice(0, depth)
    if (depth === path.length || !positions.has(JSON.stringify(prefix))) remember(positions, prefix, node)
  }
}

function remember(positions: Map<string, Position>, path: ConfigPath, node: AST.TOMLNode): void {
  const { line, column } = node.loc.start
  positions.set(JSON.stringify(path), { line, column: column + 1 })
}

/** The table at a path below `from`, made when it is not there; list steps are indexes. */
function tableAt(from: Map<string, unknown>, path: ConfigPath): Map<string, unknown> {
  let here: unknown = from
  path.forEach((step, depth) => {
    const next: unknown = typeof path[depth + 1] === 'number' ? [] : new Map<string, unknown>()
    if (Array.isArray(here) && typeof step === 'number') {
      here[step] ??= next
      here = here[step]
    } else if (here instanceof Map) {
      if (!here.has(step)) here.set(step, next)
      here = here.get(step)
    }
  })
  // The parser refuses keys that pass through a value, so what is found is always a table.
  return here instanceof Map ? here : new Map()
}

/** Maps become objects without a prototype, so that a key named `__proto__` is only a key. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain)
  if (!(value instanceof Map)) return value
  const object: Record<string, unknown> = Object.create(null)
  for (const [key, inner] of value) object[String(key)] = plain(inner)
  return object
}
