/**
 * Record contents, translated from the codec's shapes into ours, name by name checked. Pure.
 *
 * A reader returns undefined for contents that cannot be used at all.
 */
import { isIPv4, isIPv6 } from 'node:net'
import type { Answer } from 'dns-packet'
import { type DomainName, type OwnerName, parseHostname, parseOwnerName } from '../domain-name.ts'
import type { QuestionType } from './message.ts'
import type { MxRecord, TlsaRecordData } from './resolver.ts'

export interface RecordReader<T> {
  readonly type: QuestionType
  readonly read: (record: Answer) => T | undefined
}

export const readMx: RecordReader<MxRecord> = {
  type: 'MX',
  read: (record) => {
    if (record.type !== 'MX') return undefined
    const { exchange, preference = 0 } = record.data
    return { preference, exchange: exchange === '.' ? '.' : hostname(exchange) }
  },
}

export const readA: RecordReader<string> = {
  type: 'A',
  read: (record) => (record.type === 'A' && isIPv4(record.data) ? record.data : undefined),
}

export const readAaaa: RecordReader<string> = {
  type: 'AAAA',
  read: (record) => (record.type === 'AAAA' && isIPv6(record.data) ? record.data : undefined),
}

export const readTxt: RecordReader<readonly string[]> = {
  type: 'TXT',
  read: (record) => {
    if (record.type !== 'TXT') return undefined
    const strings = Array.isArray(record.data) ? record.data : [record.data]
    return strings.map((string) => (typeof string === 'string' ? string : string.toString('latin1')))
  },
}

export const readCname: RecordReader<OwnerName> = {
  type: 'CNAME',
  read: (record) => {
    const target = record.type === 'CNAME' ? parseOwnerName(record.data) : undefined
    return target?.ok ? target.value : undefined
  },
}

export const readPtr: RecordReader<DomainName> = {
  type: 'PTR',
  read: (record) => (record.type === 'PTR' ? hostname(record.data) : undefined),
}

export const readTlsa: RecordReader<TlsaRecordData> = {
  type: 'TLSA',
  read: (record) => {
    if (record.type !== 'TLSA') return undefined
    const { usage, selector, matchingType, certificate } = record.data
    // A copy: the codec's bytes are a window into the whole message.
    return { usage, selector, matchingType, associationData: new Uint8Array(certificate) }
  },
}

function hostname(text: string): DomainName | undefined {
  const name = parseHostname(text)
  return name.ok ? name.value : undefined
}
