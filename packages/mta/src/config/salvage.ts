/**
 * The settings that could be read, although others could not: what the rules look at, so that one run tells
 * all problems. Pure. Nothing is ever started with this.
 */
import { z } from 'zod'
import { type ReadConfig, schema } from './schema.ts'

/** Every field may be missing: it was not written, or it could not be read. */
type Partly<T> = T extends readonly (infer Item extends object)[]
  ? readonly Partly<Item>[]
  : T extends { readonly [key: string]: unknown }
    ? { readonly [K in keyof T]?: Partly<T[K]> | undefined }
    : T extends readonly (infer Value)[]
      ? readonly (Value | undefined)[]
      : T

export type ReadableConfig = Partly<ReadConfig>
export type ReadableListener = Partly<ReadConfig['listener'][number]>

export function readableSettings(raw: unknown): ReadableConfig {
  // The walk follows the schema, so the result has its shape; only presence is unknown.
  return readable(schema, raw) as ReadableConfig
}

function readable(type: z.ZodType, raw: unknown): unknown {
  const whole = type.safeParse(raw)
  if (whole.success) return whole.data
  const inner = type instanceof z.ZodPrefault ? type.unwrap() : type
  if (inner instanceof z.ZodObject && isTable(raw)) {
    const fields = Object.entries(inner.shape).filter(
      (field): field is [string, z.ZodType] => field[1] instanceof z.ZodType,
    )
    return Object.fromEntries(fields.map(([name, field]) => [name, readable(field, raw[name])]))
  }
  if (inner instanceof z.ZodArray && Array.isArray(raw) && inner.element instanceof z.ZodObject) {
    const { element } = inner
    return raw.map((item) => readable(element, item) ?? {})
  }
  if (inner instanceof z.ZodArray && Array.isArray(raw) && inner.element instanceof z.ZodType) {
    const { element } = inner
    return raw.map((item) => readable(element, item))
  }
  return undefined
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
