/**
 * Zones as plain values, and what a resolver in front of them would answer (RFC 1034 §4.3.2, RFC 2308).
 *
 * Names are written without trailing dot, in A-labels. A name that exists only because something below it does
 * has no records (NODATA). CNAMEs are followed inside the zones. Pure.
 */
import type { Answer, RecordType } from 'dns-packet'

export interface NameRecords {
  readonly A?: readonly string[]
  readonly AAAA?: readonly string[]
  /** Preference and exchange; '.' for the null MX. */
  readonly MX?: readonly (readonly [number, string])[]
  /** One text, or several character-strings of one record; Buffers for bytes that are no UTF-8. */
  readonly TXT?: readonly (string | Buffer | readonly (string | Buffer)[])[]
  readonly CNAME?: string
  readonly PTR?: readonly string[]
  readonly TLSA?: readonly TlsaFields[]
  /** For the name '.': what a self-test of DNSSEC asks for. */
  readonly SOA?: boolean
  readonly ttl?: number
  /** Overrides the zone's: whether answers with this name carry AD. */
  readonly secure?: boolean
}

export interface TlsaFields {
  readonly usage: number
  readonly selector: number
  readonly matchingType: number
  readonly data: Uint8Array
}

export interface ZoneOptions {
  /** As if the zone were signed and validated: answers carry AD when the query asked for it. */
  readonly secure?: boolean
  readonly ttl?: number
  /** SOA minimum and TTL: how long absence may be cached. */
  readonly negativeTtl?: number
}

export interface Zone {
  readonly records: ReadonlyMap<string, NameRecords>
  readonly options: ZoneOptions
}

/** `zone({ 'example.test': { MX: [[10, 'mx.example.test']] }, 'mx.example.test': { A: ['127.0.0.1'] } })` */
export function zone(records: Readonly<Record<string, NameRecords>>, options: ZoneOptions = {}): Zone {
  const canonical = (name: string) => (name === '.' ? name : name.toLowerCase().replace(/\.$/, ''))
  return { records: new Map(Object.entries(records).map(([name, value]) => [canonical(name), value])), options }
}

export interface ZoneAnswer {
  readonly rcode: 'NOERROR' | 'NXDOMAIN' | 'REFUSED'
  readonly answers: readonly Answer[]
  readonly authorities: readonly Answer[]
  readonly secure: boolean
}

const MAX_CHAIN = 32

/** `followAliases: false` answers with the first CNAME only, as an authoritative server for one zone does. */
export function answerFrom(
  zones: readonly Zone[],
  question: { readonly name: string; readonly type: RecordType },
  { followAliases }: { readonly followAliases: boolean },
): ZoneAnswer {
  const answers: Answer[] = []
  let secure = true
  let name = question.name.toLowerCase()
  for (let step = 0; step < MAX_CHAIN; step++) {
    const found = find(zones, name)
    if (found === undefined) return { ...absence(zones, name), answers, secure: secure && absenceSecure(zones, name) }
    secure &&= found.records.secure ?? found.zone.options.secure ?? false
    const ttl = found.records.ttl ?? found.zone.options.ttl ?? 300
    const own = recordsOf(name, { type: question.type, records: found.records, ttl })
    if (own.length > 0) return { rcode: 'NOERROR', answers: [...answers, ...own], authorities: [], secure }
    const alias = question.type === 'CNAME' ? undefined : found.records.CNAME
    if (alias === undefined) return { rcode: 'NOERROR', answers, authorities: [soa(found.zone, name)], secure }
    answers.push({ type: 'CNAME', name, ttl, data: alias })
    if (!followAliases) break
    name = alias.toLowerCase()
  }
  return { rcode: 'NOERROR', answers, authorities: [], secure }
}

function find(zones: readonly Zone[], name: string): { zone: Zone; records: NameRecords } | undefined {
  for (const candidate of zones) {
    const records = candidate.records.get(name)
    if (records !== undefined) return { zone: candidate, records }
  }
  return undefined
}

/** A name nobody wrote down: it may still have names below it. */
function absence(zones: readonly Zone[], name: string): Pick<ZoneAnswer, 'rcode' | 'authorities'> {
  const parent = zones.find((candidate) => [...candidate.records.keys()].some((key) => key.endsWith(`.${name}`)))
  if (parent !== undefined) return { rcode: 'NOERROR', authorities: [soa(parent, name)] }
  const holder = zoneAbove(zones, name)
  return { rcode: 'NXDOMAIN', authorities: holder === undefined ? [] : [soa(holder, name)] }
}

function absenceSecure(zones: readonly Zone[], name: string): boolean {
  return zoneAbove(zones, name)?.options.secure ?? false
}

function zoneAbove(zones: readonly Zone[], name: string): Zone | undefined {
  const top = name.split('.').at(-1)
  return zones.find((candidate) => [...candidate.records.keys()].some((key) => key.split('.').at(-1) === top))
}

function soa({ options }: Zone, name: string): Answer {
  return soaRecord(name.split('.').slice(-2).join('.'), options.negativeTtl ?? 60)
}

function soaRecord(owner: string, minimum: number): Answer {
  const data = { mname: 'ns.lab.test', rname: 'root.lab.test', serial: 1, refresh: 60, retry: 60, expire: 60, minimum }
  return { type: 'SOA', name: owner, ttl: minimum, data }
}

function recordsOf(
  name: string,
  { type, records, ttl }: { readonly type: RecordType; readonly records: NameRecords; readonly ttl: number },
): readonly Answer[] {
  switch (type) {
    case 'A':
    case 'AAAA':
    case 'PTR':
      return (records[type] ?? []).map((data) => ({ type, name, ttl, data }))
    case 'SOA':
      return records.SOA === true ? [soaRecord(name, ttl)] : []
    case 'CNAME':
      return records.CNAME === undefined ? [] : [{ type, name, ttl, data: records.CNAME }]
    case 'MX':
      return (records.MX ?? []).map(([preference, exchange]) => ({ type, name, ttl, data: { preference, exchange } }))
    case 'TXT':
      return (records.TXT ?? []).map((text) => ({ type, name, ttl, data: Array.isArray(text) ? [...text] : [text] }))
    case 'TLSA':
      return (records.TLSA ?? []).map(({ data, ...fields }) => ({
        type,
        name,
        ttl,
        data: { ...fields, certificate: Buffer.from(data) },
      }))
    default:
      return []
  }
}
