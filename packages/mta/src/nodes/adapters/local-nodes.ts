/**
 * The nodes of an embedded engine: one process, which has its data_dir alone (the spool sees to that). The list has one
 * entry, and nobody else reads it; there is no other clock.
 */
import type { NodeId, NodeRecord } from '../node-record.ts'
import type { Heard, Joined, JoinOptions, NodeRegistry, Ordered, RegistryTimes } from '../node-registry.ts'
import { LISTED_MS, type ListedNode, type NodeWish, SILENT_MS, standingOf } from '../standing.ts'

interface Entry {
  record: NodeRecord
  beatAt: number
  wish: NodeWish | undefined
}

const TIMES: RegistryTimes = { silentMs: SILENT_MS, listedMs: LISTED_MS }

export class LocalNodes implements NodeRegistry {
  readonly #monotonic: () => number
  readonly #times: RegistryTimes
  readonly #nodes = new Map<NodeId, Entry>()

  constructor({ monotonic, times = TIMES }: { readonly monotonic: () => number; readonly times?: RegistryTimes }) {
    this.#monotonic = monotonic
    this.#times = times
  }

  async join(record: NodeRecord, { dead }: JoinOptions = {}): Promise<Joined> {
    this.#forget()
    const known = this.#nodes.get(record.id)
    const before = known?.record.incarnation === record.incarnation ? undefined : known
    if (before !== undefined && before.record.incarnation !== dead && this.#ageOf(before) < this.#times.silentMs) {
      return { kind: 'taken', by: this.#listed(before) }
    }
    const wish = before === undefined ? known?.wish : undefined
    this.#nodes.set(record.id, { record, beatAt: this.#monotonic(), wish })
    return before === undefined ? { kind: 'joined' } : { kind: 'joined', before: before.record }
  }

  async beat(record: NodeRecord): Promise<Heard> {
    const known = this.#nodes.get(record.id)
    if (known !== undefined && known.record.incarnation !== record.incarnation) {
      return { kind: 'replaced', by: known.record }
    }
    const { wish } = known ?? {}
    this.#nodes.set(record.id, { record, beatAt: this.#monotonic(), wish })
    return wish === undefined ? { kind: 'heard' } : { kind: 'heard', wish }
  }

  async list(): Promise<readonly ListedNode[]> {
    this.#forget()
    return [...this.#nodes.values()].map((entry) => this.#listed(entry))
  }

  async order(id: NodeId, wish: NodeWish): Promise<Ordered> {
    const known = this.#nodes.get(id)
    if (known === undefined) return 'unknown'
    if (this.#ageOf(known) >= this.#times.silentMs) return 'silent'
    known.wish = wish
    return 'ordered'
  }

  async leave({ id, incarnation }: Pick<NodeRecord, 'id' | 'incarnation'>): Promise<void> {
    if (this.#nodes.get(id)?.record.incarnation === incarnation) this.#nodes.delete(id)
  }

  close(): void {
    this.#nodes.clear()
  }

  #forget(): void {
    for (const [id, entry] of this.#nodes) if (this.#ageOf(entry) >= this.#times.listedMs) this.#nodes.delete(id)
  }

  #ageOf({ beatAt }: Entry): number {
    return Math.round(this.#monotonic() - beatAt)
  }

  #listed(entry: Entry): ListedNode {
    const { record, wish } = entry
    const beatAgeMs = this.#ageOf(entry)
    const standing = standingOf({ state: record.state, beatAgeMs }, this.#times.silentMs)
    return { ...record, standing, beatAgeMs, ...(wish === undefined ? {} : { wish }) }
  }
}
