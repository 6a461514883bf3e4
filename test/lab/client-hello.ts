/** Reads a TLS ClientHello off the wire (RFC 8446 §4.1.2, RFC 6066 §3), for tests that look at what is offered. */
import assert from 'node:assert/strict'
import type { MxConnection } from './mx-script.ts'

export interface ClientHello {
  /** Octets of the whole record. */
  readonly length: number
  readonly cipherSuites: readonly number[]
  readonly compressionMethods: readonly number[]
  /** Extension numbers in their order. */
  readonly extensions: readonly number[]
  readonly serverNames: readonly string[]
  readonly supportedVersions: readonly number[]
  readonly groups: readonly number[]
  readonly keyShares: readonly number[]
}

const SERVER_NAME = 0
const SUPPORTED_GROUPS = 10
const SUPPORTED_VERSIONS = 43
const KEY_SHARE = 51

/** IANA "TLS Cipher Suites": TLS 1.3, then (EC)DHE with AES, ChaCha20 or ARIA of 128 bits and more. */
export const FORWARD_SECRET: ReadonlySet<number> = new Set([
  ...[0x1301, 0x1302, 0x1303],
  ...[0xc009, 0xc00a, 0xc013, 0xc014, 0xc023, 0xc024, 0xc027, 0xc028, 0xc02b, 0xc02c, 0xc02f, 0xc030],
  ...[0xcca8, 0xcca9, 0xccaa, 0xc052, 0xc053, 0xc056, 0xc057, 0xc05c, 0xc05d, 0xc060, 0xc061],
  ...[0xc09e, 0xc09f, 0xc0ac, 0xc0ad, 0x32, 0x33, 0x38, 0x39, 0x40, 0x67, 0x6a, 0x6b, 0x9e, 0x9f, 0xa2, 0xa3],
])
/** No forward secrecy, still 128 bits of AES or ARIA: last resort of old servers. */
export const RSA_KEY_EXCHANGE: ReadonlySet<number> = new Set([
  ...[0x2f, 0x35, 0x3c, 0x3d, 0x9c, 0x9d, 0xc050, 0xc051, 0xc09c, 0xc09d],
])

/** The octets that the first record needs; undefined while its header is incomplete. */
export function firstRecordLength(bytes: Buffer): number | undefined {
  return bytes.length < 5 ? undefined : 5 + bytes.readUInt16BE(3)
}

/** `bytes` begins with one whole handshake record. */
export function parseClientHello(bytes: Buffer): ClientHello {
  assert.equal(bytes[0], 22, 'a handshake record')
  assert.equal(bytes[5], 1, 'a ClientHello')
  const body = new Reader(bytes.subarray(9))
  body.take(2 + 32)
  body.vector(1)
  const cipherSuites = pairs(body.vector(2))
  const compressionMethods = [...body.vector(1)]
  const extensions = readExtensions(new Reader(body.vector(2)))
  const content = (type: number) => extensions.get(type) ?? Buffer.alloc(0)
  return {
    length: firstRecordLength(bytes) ?? 0,
    cipherSuites,
    compressionMethods,
    extensions: [...extensions.keys()],
    serverNames: readServerNames(content(SERVER_NAME)),
    supportedVersions: pairs(content(SUPPORTED_VERSIONS).subarray(1)),
    groups: pairs(content(SUPPORTED_GROUPS).subarray(2)),
    keyShares: readKeyShares(content(KEY_SHARE)),
  }
}

/** The one that a mail exchanger got after STARTTLS. */
export function clientHelloAt({ segments }: Pick<MxConnection, 'segments'>): ClientHello {
  const hello = segments.find(({ direction, inTls, bytes }) => direction === 'in' && !inTls && bytes[0] === 22)
  assert.ok(hello !== undefined, 'no ClientHello on this connection')
  return parseClientHello(hello.bytes)
}

function readExtensions(reader: Reader): ReadonlyMap<number, Buffer> {
  const found = new Map<number, Buffer>()
  while (!reader.done) found.set(reader.take(2).readUInt16BE(), reader.vector(2))
  return found
}

function readServerNames(bytes: Buffer): readonly string[] {
  if (bytes.length === 0) return []
  const list = new Reader(new Reader(bytes).vector(2))
  const names: string[] = []
  while (!list.done) {
    assert.equal(list.take(1)[0], 0, 'a host_name')
    names.push(list.vector(2).toString('latin1'))
  }
  return names
}

function readKeyShares(bytes: Buffer): readonly number[] {
  if (bytes.length === 0) return []
  const list = new Reader(new Reader(bytes).vector(2))
  const groups: number[] = []
  while (!list.done) {
    groups.push(list.take(2).readUInt16BE())
    list.vector(2)
  }
  return groups
}

function pairs(bytes: Buffer): readonly number[] {
  return Array.from({ length: bytes.length / 2 }, (_, index) => bytes.readUInt16BE(index * 2))
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length
  }

  take(count: number): Buffer {
    assert(this.#at + count <= this.#bytes.length, 'ClientHello ends early')
    this.#at += count
    return this.#bytes.subarray(this.#at - count, this.#at)
  }

  vector(lengthOctets: 1 | 2): Buffer {
    return this.take(this.take(lengthOctets).readUIntBE(0, lengthOctets))
  }
}
