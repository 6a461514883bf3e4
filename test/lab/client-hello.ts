/** Reads a TLS ClientHello off the wire (RFC 8446 §4.1.2, RFC 6066 §3), for tests that look at what is offered. */
import assert from 'node:assert/strict'

export interface ClientHello {
  /** Octets of the whole record. */
  readonly length: number
  readonly cipherSuites: readonly number[]
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
  body.vector(1)
  const extensions = readExtensions(new Reader(body.vector(2)))
  const content = (type: number) => extensions.get(type) ?? Buffer.alloc(0)
  return {
    length: firstRecordLength(bytes) ?? 0,
    cipherSuites,
    extensions: [...extensions.keys()],
    serverNames: readServerNames(content(SERVER_NAME)),
    supportedVersions: pairs(content(SUPPORTED_VERSIONS).subarray(1)),
    groups: pairs(content(SUPPORTED_GROUPS).subarray(2)),
    keyShares: readKeyShares(content(KEY_SHARE)),
  }
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
