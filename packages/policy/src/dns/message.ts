/**
 * DNS messages as bytes: our queries (RFC 1035 §4, EDNS of RFC 6891) and what comes back. Pure.
 *
 * dns-packet is the codec. It decodes names as UTF-8 and does not escape dots inside labels, therefore the question
 * echo is compared as bytes here, and every name is checked against an alphabet before use (`answer-chain.ts`).
 */
import * as codec from 'dns-packet'
import type { OwnerName } from '../domain-name.ts'
import { err, ok, type Result } from '../result.ts'
import type { ExtendedDnsError } from './answer.ts'
import { readExtendedError } from './extended-error.ts'

export type QuestionType = 'MX' | 'A' | 'AAAA' | 'TXT' | 'CNAME' | 'TLSA' | 'PTR' | 'SOA'

export interface Question {
  /** '.' is the root, which only the self-test asks for. */
  readonly name: OwnerName | '.'
  readonly type: QuestionType
}

export interface Query {
  readonly question: Question
  readonly bytes: Buffer
}

export interface DnsMessage {
  readonly rcode: string
  readonly extendedError: ExtendedDnsError | undefined
  readonly authenticData: boolean
  readonly truncated: boolean
  readonly answers: readonly codec.Answer[]
  readonly authorities: readonly codec.Answer[]
}

/** A message that says something about the name; every other RCODE is a server's failure. */
export type DnsResponse = DnsMessage & { readonly rcode: 'NOERROR' | 'NXDOMAIN' }

export function isResponse(message: DnsMessage): message is DnsResponse {
  return message.rcode === 'NOERROR' || message.rcode === 'NXDOMAIN'
}

/** RFC 9715 §3.1: what passes without fragments nearly everywhere. */
const UDP_PAYLOAD_SIZE = 1232
const HEADER_LENGTH = 12
// IANA "DNS RCODEs": the ones that a resolver can send to us.
const RCODES = ['NOERROR', 'FORMERR', 'SERVFAIL', 'NXDOMAIN', 'NOTIMP', 'REFUSED']
const BADVERS = 16

/** AD and DO ask for the resolver's DNSSEC verdict (RFC 6840 §5.7, RFC 3225). */
export function encodeQuery(question: Question, id: number): Query {
  const bytes = codec.encode({
    type: 'query',
    id,
    flags: codec.RECURSION_DESIRED | codec.AUTHENTIC_DATA,
    questions: [{ name: question.name, type: question.type }],
    additionals: [
      {
        type: 'OPT',
        name: '.',
        udpPayloadSize: UDP_PAYLOAD_SIZE,
        extendedRcode: 0,
        ednsVersion: 0,
        flags: codec.DNSSEC_OK,
        flag_do: true,
        options: [],
      },
    ],
  })
  return { question, bytes }
}

/** A response, under our id, that repeats our question octet for octet but for case (RFC 5452 §9.1). */
export function answersQuery(message: Buffer, query: Query): boolean {
  const end = HEADER_LENGTH + questionLength(query)
  if (message.length < end) return false
  const flaggedAsResponse = (message.readUInt8(2) & 0x80) !== 0
  if (!flaggedAsResponse || message.readUInt16BE(0) !== query.bytes.readUInt16BE(0)) return false
  if (message.readUInt16BE(4) !== 1) return false
  // Lower-casing the raw section is safe: length octets are below 64, letters above.
  return lowerCased(message.subarray(HEADER_LENGTH, end)) === lowerCased(query.bytes.subarray(HEADER_LENGTH, end))
}

export function decodeMessage(bytes: Buffer): Result<DnsMessage, { readonly detail: string }> {
  try {
    const packet = codec.decode(bytes)
    const opt = packet.additionals?.find((record) => record.type === 'OPT')
    return ok({
      rcode: rcodeName(((opt?.extendedRcode ?? 0) << 4) | ((packet.flags ?? 0) & 0xf)),
      extendedError: extendedErrorOf(opt),
      authenticData: packet.flag_ad,
      truncated: packet.flag_tc,
      answers: packet.answers ?? [],
      authorities: packet.authorities ?? [],
    })
  } catch {
    // The codec throws plain errors without codes for whatever bytes it cannot read.
    return err({ detail: 'undecodable message' })
  }
}

/** The name, its root label and length octet, type and class: as our encoder wrote them, uncompressed. */
function questionLength({ question }: Query): number {
  return (question.name === '.' ? 1 : question.name.length + 2) + 4
}

function lowerCased(bytes: Buffer): string {
  return bytes.toString('latin1').toLowerCase()
}

function rcodeName(rcode: number): string {
  return rcode === BADVERS ? 'BADVERS' : (RCODES[rcode] ?? `RCODE${rcode}`)
}

function extendedErrorOf(opt: codec.OptAnswer | undefined): ExtendedDnsError | undefined {
  // The typings know fewer options than the wire does.
  const options: readonly { readonly code: number; readonly data?: Buffer | undefined }[] = opt?.options ?? []
  return readExtendedError(options)
}
