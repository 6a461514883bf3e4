/**
 * Whether what Redis answers survives a power cut (architecture §3): a pure decision on what the server says of
 * itself. What it does not say counts as not durable.
 */

/** As the server writes them; absent when it does not tell. */
export interface DurabilityFacts {
  readonly version?: string | undefined
  readonly role?: string | undefined
  readonly replicas?: string | undefined
  readonly clustered?: string | undefined
  /** Ours to know: the configuration names Sentinels or a Cluster, so another server may take over. */
  readonly failsOver?: boolean
  readonly appendonly?: string | undefined
  readonly appendfsync?: string | undefined
  readonly noAppendfsyncOnRewrite?: string | undefined
  readonly maxmemoryPolicy?: string | undefined
  /** False: it does not know the queue that we have found in it before. */
  readonly knowsQueue?: boolean | undefined
}

export type DurabilityFinding =
  /** It was emptied, or is another server: what it had promised is not there. */
  | { readonly kind: 'lost-queue' }
  /** Scripts with flags came with 7.0. */
  | { readonly kind: 'version'; readonly found: string | undefined }
  | { readonly kind: 'role'; readonly found: string | undefined }
  /** A failover to one of them could lose what was answered, unless its answers wait for them. */
  | { readonly kind: 'replicas'; readonly found: string | undefined }
  /** Nobody has what would be answered, should another server take over. */
  | { readonly kind: 'no-replica'; readonly found: string | undefined }
  | {
      readonly kind: 'setting'
      readonly name: 'appendonly' | 'appendfsync' | 'no-appendfsync-on-rewrite' | 'maxmemory-policy'
      readonly wanted: string
      readonly found: string | undefined
    }

export interface DurabilityVerdict {
  /** `weak`: works, and may lose accepted mail. `unusable`: not even that. */
  readonly kind: 'durable' | 'weak' | 'unusable'
  readonly findings: readonly DurabilityFinding[]
  /** Durable only while every answer waits for a replica (`redis-confirmation.ts`). */
  readonly confirms: boolean
}

const VERSION_MIN = 7
/** Of WAITAOF: 7.2, as one number. */
const WAITAOF_SINCE = 702

/** Who bears losses (`relaxed`) waits for no replica. */
export function durability(facts: DurabilityFacts, wanted: 'strict' | 'relaxed' = 'strict'): DurabilityVerdict {
  const unusable: DurabilityFinding[] = []
  const [major = Number.NaN, minor = 0] = (/^(\d+)\.(\d+)/.exec(facts.version ?? '') ?? []).slice(1).map(Number)
  if (!(major >= VERSION_MIN)) unusable.push({ kind: 'version', found: facts.version })
  if (facts.role !== 'master') unusable.push({ kind: 'role', found: facts.role })

  const weak: DurabilityFinding[] = []
  if (facts.knowsQueue === false) weak.push({ kind: 'lost-queue' })
  const alone = facts.replicas === '0' && facts.clustered === '0' && facts.failsOver !== true
  const canWait = major * 100 + minor >= WAITAOF_SINCE
  const confirms = !alone && canWait && wanted === 'strict' && Number(facts.replicas) > 0
  if (confirms && facts.clustered === undefined) weak.push({ kind: 'replicas', found: undefined })
  if (!alone && !confirms) weak.push(unconfirmed(facts, canWait && wanted === 'strict'))
  const setting = (
    name: Extract<DurabilityFinding, { kind: 'setting' }>['name'],
    wanted: string,
    found: string | undefined,
  ) => {
    if (found !== wanted) weak.push({ kind: 'setting', name, wanted, found })
  }
  setting('appendonly', 'yes', facts.appendonly)
  setting('appendfsync', 'always', facts.appendfsync)
  setting('no-appendfsync-on-rewrite', 'no', facts.noAppendfsyncOnRewrite)
  setting('maxmemory-policy', 'noeviction', facts.maxmemoryPolicy)

  const findings = [...unusable, ...weak]
  if (unusable.length > 0) return { kind: 'unusable', findings, confirms }
  return { kind: weak.length > 0 ? 'weak' : 'durable', findings, confirms }
}

function unconfirmed({ clustered, replicas }: DurabilityFacts, waits: boolean): DurabilityFinding {
  if (waits) return { kind: 'no-replica', found: replicas }
  return { kind: 'replicas', found: clustered === '1' ? 'cluster' : replicas }
}

/** For the person who reads why the relay does not start, or what it risks. */
export function formatFinding(finding: DurabilityFinding): string {
  if (finding.kind === 'lost-queue') return 'it has lost this queue: it was emptied, or another server is in its place'
  const found = finding.found ?? 'unreadable'
  switch (finding.kind) {
    case 'version':
      return `version is ${found}, at least ${VERSION_MIN}.0 is needed`
    case 'role':
      return `role is ${found}, not master`
    case 'replicas':
      return `replicas: ${found}; a failover may lose accepted mail`
    case 'no-replica':
      return `replicas: ${found}; WAITAOF needs one, for a failover may come`
    case 'setting':
      return `${finding.name} is ${found}, not ${finding.wanted}`
  }
}
