/**
 * The schema as a flat list of tables and settings, for everything that asks "what may stand here?":
 * suggestions, environment variables, the template and the reference page. Pure.
 */
import { z } from 'zod'
import { schema } from './schema.ts'
import { type SettingEntry, settingEntry, tableDoc } from './setting.ts'

export interface OutlineTable {
  readonly kind: 'table' | 'table-list'
  /** Names only: list indexes are left out. */
  readonly names: readonly string[]
  readonly sentence: string
}

export interface OutlineSetting {
  readonly kind: 'setting'
  readonly names: readonly string[]
  readonly entry: SettingEntry
}

export type OutlineEntry = OutlineTable | OutlineSetting

/** In the order of the schema; a table comes before what is in it. */
export const outline: readonly OutlineEntry[] = outlineOf(schema, [])

function outlineOf(object: z.ZodObject, names: readonly string[]): readonly OutlineEntry[] {
  const own: OutlineEntry[] = []
  const nested: OutlineEntry[] = []
  for (const [name, field] of Object.entries(object.shape)) {
    const path = [...names, name]
    const entry = field instanceof z.ZodType ? settingEntry(field) : undefined
    if (entry !== undefined) own.push({ kind: 'setting', names: path, entry })
    else nested.push(...tableOutline(field, path))
  }
  // TOML: a table's own keys end where the first nested table begins.
  return [...own, ...nested]
}

function tableOutline(field: unknown, names: readonly string[]): readonly OutlineEntry[] {
  const inner = field instanceof z.ZodPrefault ? field.unwrap() : field
  const isList = inner instanceof z.ZodArray
  const object = isList ? inner.element : inner
  if (!(object instanceof z.ZodObject)) throw new Error(`the schema at ${names.join('.')} is neither setting nor table`)
  const { sentence } = tableDoc(object) ?? { sentence: '' }
  return [{ kind: isList ? 'table-list' : 'table', names, sentence }, ...outlineOf(object, names)]
}

export function findEntry(names: readonly string[]): OutlineEntry | undefined {
  const key = names.join('.')
  return outline.find((entry) => entry.names.join('.') === key)
}

/** What may stand directly in the table with these names; the empty list is the top. */
export function childrenOf(names: readonly string[]): readonly string[] {
  const parent = names.join('.')
  return outline
    .filter((entry) => entry.names.slice(0, -1).join('.') === parent)
    .map((entry) => entry.names.at(-1) ?? '')
}
