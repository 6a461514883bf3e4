/**
 * The one way in which a test counts for a conformance item (`docs/conformance/items.json`).
 *
 * A test calls `covers('SMTP-12', { observe: 'smtp' })` in its body and carries the id in its title, or in the
 * title of a suite around it. `observe` says what the test really looked at: what travelled (`smtp`, `dns`,
 * `https`), what the relay keeps or shows (`store`), or the value of a function (`pure`). An item about what
 * travels is proven only by looking at what travels. Ids are written as literals, for `tools/conformance.ts`
 * reads them out of the source text to make the table.
 */
import { readFileSync } from 'node:fs'
import * as nodeTest from 'node:test'

export type Observation = 'smtp' | 'dns' | 'https' | 'store' | 'pure'

export interface ConformanceItem {
  readonly id: string
  /** RFC 2119 word, lower case where the RFC does not capitalise; DEC and SEC are our own decisions. */
  readonly level: string
  readonly source: string
  /** What the item's observable test names. */
  readonly kind: Observation
  /** The issue that is expected to bring it. */
  readonly issue: number
}

const WIRE: ReadonlySet<Observation> = new Set(['smtp', 'dns', 'https'])

/** Why this observation does not prove an item of this kind; undefined when it does. */
export function observationGap(kind: Observation, observe: Observation): string | undefined {
  if (WIRE.has(kind) && !WIRE.has(observe))
    return `is a fact on the wire (${kind}); observing '${observe}' is not enough`
  if (kind === 'store' && observe === 'pure') return "is about kept or shown state; observing 'pure' is not enough"
  return undefined
}

export function titleNames(title: string, id: string): boolean {
  return title.split(/[^A-Z0-9-]+/).includes(id)
}

export function readItems(): readonly ConformanceItem[] {
  return JSON.parse(readFileSync(new URL('../../docs/conformance/items.json', import.meta.url), 'utf8'))
}

let known: ReadonlyMap<string, ConformanceItem> | undefined

/** Throws, and so fails the running test, when the claim is not one that the test can make. */
export function covers(ids: string | readonly string[], { observe }: { readonly observe: Observation }): void {
  known ??= new Map(readItems().map((item) => [item.id, item]))
  for (const id of typeof ids === 'string' ? [ids] : ids) {
    const item = known.get(id)
    if (item === undefined) throw new Error(`covers: ${id} is not an item of docs/conformance/items.json`)
    const gap = observationGap(item.kind, observe)
    if (gap !== undefined) throw new Error(`covers: ${id} ${gap}`)
    const title = runningTitle()
    if (title !== undefined && !titleNames(title, id)) {
      throw new Error(`covers: the title "${title}" does not name ${id}; put the id at its beginning`)
    }
  }
}

/** The running test's title with those of the suites around it; the first releases of Node 24 cannot tell. */
function runningTitle(): string | undefined {
  return 'getTestContext' in nodeTest ? nodeTest.getTestContext()?.fullName : undefined
}
