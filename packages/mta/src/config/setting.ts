/**
 * A setting: a value type, a default, one sentence and the source of both, as a zod schema. Pure.
 *
 * What is said about a setting here is all that the template, the reference page and the error messages know.
 */
import { z } from 'zod'
import { type ValueType, withArticle } from './value-type.ts'

export interface SettingDoc {
  /** One sentence, what the setting does. */
  readonly sentence: string
  /** Where the value or the rule comes from: an RFC section, a decision, a measured fact. */
  readonly source: string
  /** For a setting without a fixed default: what happens when it is absent. */
  readonly whenAbsent?: string
  /** TOML, for the template, where there is no default. */
  readonly example?: string
}

export interface SettingEntry extends SettingDoc {
  readonly type: string
  readonly toml: ValueType<unknown>['toml']
  readonly secret: boolean
  readonly required: boolean
  /** As it would be written; undefined when there is none. */
  readonly default?: SettingInput
}

export interface TableDoc {
  readonly sentence: string
}

type SettingInput = string | number | boolean | readonly string[]

const settings = new WeakMap<z.ZodType, SettingEntry>()
const tables = new WeakMap<z.ZodType, TableDoc>()

/** A problem as zod carries it: `params` is read back by `problems-of-issues.ts`. */
interface IssueParams {
  readonly write: string
}

type ValueSchema<T> = z.ZodPipe<z.ZodUnknown, z.ZodTransform<Awaited<T>, unknown>>

function valueSchema<T>(type: ValueType<T>): ValueSchema<T> {
  return z.unknown().transform((input, context): Awaited<T> => {
    const parsed = input === undefined ? undefined : type.parse(input)
    if (parsed?.ok === true) return parsed.value as Awaited<T>
    const { wrong, write } = parsed?.error ?? { wrong: 'is missing', write: withArticle(type.name) }
    context.addIssue({ code: 'custom', message: wrong, params: { write } satisfies IssueParams })
    return z.NEVER
  })
}

/** Must be written. */
export function required<T>(type: ValueType<T>, doc: SettingDoc): ValueSchema<T> {
  const schema = valueSchema(type)
  settings.set(schema, { ...doc, type: type.name, toml: type.toml, secret: type.secret ?? false, required: true })
  return schema
}

/** May be absent; `doc.whenAbsent` says what then happens. */
export function optional<T>(
  type: ValueType<T>,
  doc: SettingDoc & { readonly whenAbsent: string },
): z.ZodOptional<ValueSchema<T>> {
  const schema = z.optional(valueSchema(type))
  settings.set(schema, { ...doc, type: type.name, toml: type.toml, secret: type.secret ?? false, required: false })
  return schema
}

/** Has a fixed default, written as in the file. */
export function defaulted<T>(type: ValueType<T>, value: SettingInput, doc: SettingDoc): z.ZodPrefault<ValueSchema<T>> {
  const schema = valueSchema(type).prefault(value)
  const entry = { ...doc, type: type.name, toml: type.toml, secret: type.secret ?? false, required: false }
  settings.set(schema, { ...entry, default: value })
  return schema
}

/** A list of values of one type; the position of a wrong one is kept. */
export function listOf<T>(
  type: ValueType<T>,
  value: readonly string[],
  doc: SettingDoc & { readonly maxItems: number },
): z.ZodPrefault<z.ZodArray<ValueSchema<T>>> {
  const schema = z
    .array(valueSchema(type))
    .max(doc.maxItems)
    .prefault([...value])
  const entry = { ...doc, type: `list of ${type.name}`, toml: 'array' as const, secret: false, required: false }
  settings.set(schema, { ...entry, default: value })
  return schema
}

/** A `[table]`; absent means all defaults. */
export function table<S extends z.ZodRawShape>(doc: TableDoc, shape: S): z.ZodPrefault<z.ZodObject<S, z.core.$strict>> {
  const schema = z.strictObject(shape)
  tables.set(schema, doc)
  // Every field of a plain table has a default or is optional, so the empty table is always an input.
  return schema.prefault({} as z.input<typeof schema>)
}

/** `[[tables]]`. */
export function tableList<S extends z.ZodRawShape>(
  doc: TableDoc & { readonly maxItems: number },
  shape: S,
): z.ZodPrefault<z.ZodArray<z.ZodObject<S, z.core.$strict>>> {
  const schema = z.strictObject(shape)
  tables.set(schema, doc)
  return z.array(schema).max(doc.maxItems).prefault([])
}

export function settingEntry(schema: z.ZodType): SettingEntry | undefined {
  return settings.get(schema)
}

export function tableDoc(schema: z.ZodType): TableDoc | undefined {
  return tables.get(schema)
}
