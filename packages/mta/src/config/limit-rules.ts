/** Rules about `[[limit]]`: what would mean nothing, or two things at once. Pure. */
import type { NamePattern } from '../limits/site-limits.ts'
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import type { ReadableConfig } from './salvage.ts'

type ReadableLimit = NonNullable<ReadableConfig['limit']>[number]

export function limitFindings({ limit: limits = [], delivery }: ReadableConfig): readonly Finding[] {
  const usualRate = delivery?.rate_per_site
  return limits.flatMap((limit, index) => [
    ...nameFindings(limits, index),
    ...aimFindings(limit, index),
    ...burstFindings(limit, { index, usualRate }),
    ...(['domain', 'mx'] as const).flatMap((field) => twiceFindings(limits, { index, field })),
  ])
}

function nameFindings(limits: readonly ReadableLimit[], index: number): readonly Finding[] {
  const name = limits[index]?.name
  const other = limits.slice(0, index).findIndex((one) => one.name === name)
  if (name === undefined || other === -1) return []
  const path: ConfigPath = ['limit', index, 'name']
  const read: ConfigPath[] = [path, ['limit', other, 'name']]
  return [{ path, wrong: `is the name of two tables: "${name}"`, remedy: 'write another name, or one table', read }]
}

function aimFindings({ domain, mx }: ReadableLimit, index: number): readonly Finding[] {
  if (domain === undefined || mx === undefined || domain.length + mx.length > 0) return []
  const path: ConfigPath = ['limit', index]
  const remedy = 'write domain = ["…"] or mx = ["…"]; what holds for all is in [delivery]'
  const read: ConfigPath[] = [
    ['limit', index, 'domain'],
    ['limit', index, 'mx'],
  ]
  return [{ path, wrong: 'does not say whose mail it limits', remedy, read }]
}

function burstFindings(
  { burst, rate }: ReadableLimit,
  { index, usualRate }: { readonly index: number; readonly usualRate: unknown },
): readonly Finding[] {
  if (burst === undefined || rate !== undefined || usualRate !== undefined) return []
  const path: ConfigPath = ['limit', index, 'burst']
  const read: ConfigPath[] = [path, ['limit', index, 'rate'], ['delivery', 'rate_per_site']]
  return [{ path, wrong: 'does nothing without a rate', remedy: 'write rate too, or leave it out', read }]
}

function twiceFindings(
  limits: readonly ReadableLimit[],
  { index, field }: { readonly index: number; readonly field: 'domain' | 'mx' },
): readonly Finding[] {
  const patterns = limits[index]?.[field] ?? []
  return patterns.flatMap((pattern, position) => {
    if (pattern === undefined) return []
    const before = limits.slice(0, index).flatMap((limit) => limit[field] ?? [])
    const earlier = [...before, ...patterns.slice(0, position)]
    if (!earlier.some((one) => one !== undefined && same(one, pattern))) return []
    const path: ConfigPath = ['limit', index, field, position]
    const wrong = `is limited twice: "${patternText(pattern)}"`
    return [{ path, wrong, remedy: 'remove one of the two', read: [path] }]
  })
}

type ReadablePattern = { readonly [K in keyof NamePattern]?: NamePattern[K] | undefined }

function same(left: ReadablePattern, right: ReadablePattern): boolean {
  return left.kind === right.kind && left.name === right.name
}

function patternText({ kind, name }: ReadablePattern): string {
  return `${kind === 'below' ? '*.' : ''}${name}`
}
