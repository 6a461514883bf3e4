/**
 * A real name server on loopback, UDP and TCP on one ephemeral port, in front of zones as data.
 *
 * It answers as a recursive resolver would (RA, AD for secure zones when asked for, CNAMEs followed), writes every
 * query down, and fails on purpose where a test says so: `server.fail('mx.example.test', { kind: 'drop' })`.
 */
import dgram from 'node:dgram'
import { once } from 'node:events'
import net from 'node:net'
import * as codec from 'dns-packet'
import { answerFrom, type Zone } from './dns-zone.ts'

export { type NameRecords, type Zone, zone } from './dns-zone.ts'

export type DnsFault =
  /** Answers with this RCODE, and an extended error (RFC 8914) if given. */
  | {
      readonly kind: 'rcode'
      readonly rcode: 'FORMERR' | 'SERVFAIL' | 'NXDOMAIN' | 'NOTIMP' | 'REFUSED'
      readonly ede?: Ede
    }
  | { readonly kind: 'drop' }
  /** TC and no records over UDP; the whole answer over TCP. */
  | { readonly kind: 'truncate' }
  /** Forged answers come instead of the right one, or before it. */
  | { readonly kind: 'wrong-id' | 'wrong-question' | 'wrong-port'; readonly thenRight?: boolean }
  | { readonly kind: 'delay'; readonly ms: number }
  /** The right id and question, then bytes that are no record. */
  | { readonly kind: 'garbage' }
  /** AD is set or not whatever the zone says. */
  | { readonly kind: 'ad'; readonly ad: boolean }
  /** UDP says TC, TCP closes without an answer. */
  | { readonly kind: 'tcp-close' }
  /** The test edits the answer. */
  | { readonly kind: 'rewrite'; readonly rewrite: (packet: codec.Packet) => codec.Packet }

export interface Ede {
  readonly infoCode: number
  readonly extraText?: string
}

export interface LoggedQuery {
  readonly name: string
  readonly type: string
  readonly transport: 'udp' | 'tcp'
  readonly id: number
  readonly sourcePort: number
  readonly recursionDesired: boolean
  readonly ad: boolean
  readonly dnssecOk: boolean
  /** EDNS payload size; undefined without OPT. */
  readonly udpSize: number | undefined
}

export interface DnsServerOptions {
  readonly zones?: readonly Zone[]
  readonly address?: string
  /** Ephemeral by default. */
  readonly port?: number
  /** False: only the first CNAME is answered, the client must ask on. */
  readonly followAliases?: boolean
}

export interface DnsServer {
  readonly address: string
  readonly port: number
  /** Every query since the start or the last `forget`, in order of arrival. */
  readonly queries: readonly LoggedQuery[]
  /** Replaces all zones. */
  serve(...zones: readonly Zone[]): void
  /** Fails queries for a name: of every type, or of one; always, or the next `times`. */
  fail(name: string, fault: DnsFault, only?: { readonly type?: codec.RecordType; readonly times?: number }): void
  heal(name: string): void
  forget(): void
  close(): Promise<void>
}

interface PlannedFault {
  readonly fault: DnsFault
  readonly type: codec.RecordType | undefined
  left: number
}

/** How an answer leaves: over the transport that the question came by. */
interface ReplyPath {
  readonly transport: 'udp' | 'tcp'
  readonly sourcePort: number
  readonly send: (message: Buffer) => void
  readonly sendFromElsewhere: (message: Buffer) => void
  readonly close: () => void
}

/** RFC 1035 §4.2.1: without EDNS. */
const PLAIN_UDP_SIZE = 512
const EDE_OPTION = 15
const RCODE = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5 } as const

export async function startDnsServer(options: DnsServerOptions = {}): Promise<DnsServer> {
  const address = options.address ?? '127.0.0.1'
  const server = new LabServer(options)
  const { udp, tcp, elsewhere, port } = await bind(address, options.port ?? 0)
  const sockets = new Set<net.Socket>()

  udp.on('message', (message, from) => {
    server.receive(message, {
      transport: 'udp',
      sourcePort: from.port,
      send: (bytes) => udp.send(bytes, from.port, from.address),
      sendFromElsewhere: (bytes) => elsewhere.send(bytes, from.port, from.address),
      close: () => undefined,
    })
  })
  tcp.on('connection', (socket) => {
    sockets.add(socket.once('close', () => sockets.delete(socket)).on('error', () => undefined))
    readTcp(socket, (message) => {
      const send = (bytes: Buffer) => void (socket.writable && socket.write(lengthPrefixed(bytes)))
      const sourcePort = socket.remotePort ?? 0
      server.receive(message, {
        transport: 'tcp',
        sourcePort,
        send,
        sendFromElsewhere: send,
        close: () => socket.destroy(),
      })
    })
  })
  return Object.assign(server.controls(), {
    address,
    port,
    async close() {
      server.stop()
      for (const socket of sockets) socket.destroy()
      await Promise.all([
        new Promise<void>((done) => udp.close(done)),
        new Promise<void>((done) => elsewhere.close(done)),
        new Promise((done) => tcp.close(done)),
      ])
    },
  })
}

class LabServer {
  #zones: readonly Zone[]
  readonly #followAliases: boolean
  readonly #queries: LoggedQuery[] = []
  readonly #faults = new Map<string, PlannedFault[]>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(options: DnsServerOptions) {
    this.#zones = options.zones ?? []
    this.#followAliases = options.followAliases ?? true
  }

  controls(): Omit<DnsServer, 'address' | 'port' | 'close'> {
    return {
      queries: this.#queries,
      serve: (...zones) => {
        this.#zones = zones
      },
      fail: (name, fault, only = {}) => {
        const planned = { fault, type: only.type, left: only.times ?? Number.POSITIVE_INFINITY }
        this.#faults.set(name.toLowerCase(), [...(this.#faults.get(name.toLowerCase()) ?? []), planned])
      },
      heal: (name) => void this.#faults.delete(name.toLowerCase()),
      forget: () => void this.#queries.splice(0),
    }
  }

  stop(): void {
    for (const timer of this.#timers) clearTimeout(timer)
  }

  receive(message: Buffer, path: ReplyPath): void {
    const query = decoded(message)
    const question = query?.questions?.[0]
    if (query === undefined || question === undefined || query.flag_qr) return
    const opt = query.additionals?.find((record) => record.type === 'OPT')
    this.#queries.push({
      name: question.name.toLowerCase(),
      type: question.type,
      transport: path.transport,
      id: query.id ?? 0,
      sourcePort: path.sourcePort,
      recursionDesired: query.flag_rd,
      ad: query.flag_ad,
      dnssecOk: opt?.flag_do ?? false,
      udpSize: opt?.udpPayloadSize,
    })
    const response = this.#answer(query, question)
    const fault = this.#takeFault(question)
    const limit = path.transport === 'tcp' ? 65_535 : Math.max(opt?.udpPayloadSize ?? 0, PLAIN_UDP_SIZE)
    if (fault === undefined) path.send(encoded(response, limit))
    else this.#failOnPurpose(fault, { response, limit, path })
  }

  #answer(query: codec.DecodedPacket, question: codec.Question): codec.Packet {
    const { rcode, answers, authorities, secure } = answerFrom(this.#zones, question, {
      followAliases: this.#followAliases,
    })
    const opt = query.additionals?.find((record) => record.type === 'OPT')
    const wantsAd = query.flag_ad || (opt?.flag_do ?? false)
    return {
      type: 'response',
      id: query.id ?? 0,
      flags:
        codec.RECURSION_DESIRED |
        codec.RECURSION_AVAILABLE |
        (secure && wantsAd ? codec.AUTHENTIC_DATA : 0) |
        RCODE[rcode],
      questions: [question],
      answers: [...answers],
      authorities: [...authorities],
      additionals: opt === undefined ? [] : [optRecord([])],
    }
  }

  #takeFault(question: codec.Question): DnsFault | undefined {
    const planned = this.#faults
      .get(question.name.toLowerCase())
      ?.find(({ type, left }) => left > 0 && (type === undefined || type === question.type))
    if (planned === undefined) return undefined
    planned.left -= 1
    return planned.fault
  }

  #failOnPurpose(
    fault: DnsFault,
    { response, limit, path }: { readonly response: codec.Packet; readonly limit: number; readonly path: ReplyPath },
  ): void {
    const flags = response.flags ?? 0
    const right = () => path.send(encoded(response, limit))
    switch (fault.kind) {
      case 'rcode':
        path.send(encoded(failed(response, fault), limit))
        break
      case 'drop':
        break
      case 'truncate':
        if (path.transport === 'tcp') right()
        else path.send(truncated(response))
        break
      case 'tcp-close':
        if (path.transport === 'tcp') path.close()
        else path.send(truncated(response))
        break
      case 'wrong-id':
        path.send(encoded({ ...response, id: ((response.id ?? 0) + 1) % 65_536 }, limit))
        if (fault.thenRight) right()
        break
      case 'wrong-question':
        path.send(encoded({ ...response, questions: [{ name: 'forged.test', type: 'A' }] }, limit))
        if (fault.thenRight) right()
        break
      case 'wrong-port':
        path.sendFromElsewhere(encoded(response, limit))
        if (fault.thenRight) right()
        break
      case 'delay':
        this.#later(fault.ms, right)
        break
      case 'garbage':
        path.send(garbled(response))
        break
      case 'ad':
        path.send(
          encoded(
            { ...response, flags: fault.ad ? flags | codec.AUTHENTIC_DATA : flags & ~codec.AUTHENTIC_DATA },
            limit,
          ),
        )
        break
      case 'rewrite':
        path.send(encoded(fault.rewrite(response), limit))
        break
    }
  }

  #later(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      run()
    }, ms)
    this.#timers.add(timer)
  }
}

function failed(response: codec.Packet, fault: DnsFault & { readonly kind: 'rcode' }): codec.Packet {
  const { ede } = fault
  const flags = ((response.flags ?? 0) & ~0xf & ~codec.AUTHENTIC_DATA) | RCODE[fault.rcode]
  const additionals = ede === undefined ? (response.additionals ?? []) : [optRecord([edeOption(ede)])]
  return { ...response, flags, answers: [], authorities: [], additionals }
}

function optRecord(options: codec.PacketOpt[]): codec.OptAnswer {
  return {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options,
  }
}

function edeOption({ infoCode, extraText = '' }: Ede): codec.PacketOpt {
  const code = Buffer.alloc(2)
  code.writeUInt16BE(infoCode)
  // The typings of dns-packet know no option 15; its encoder writes any code that comes with bytes.
  return { code: EDE_OPTION, data: Buffer.concat([code, Buffer.from(extraText)]) } as unknown as codec.PacketOpt
}

function encoded(packet: codec.Packet, limit: number): Buffer {
  const bytes = codec.encode(packet)
  return bytes.length > limit ? truncated(packet) : bytes
}

function truncated(packet: codec.Packet): Buffer {
  const flags = (packet.flags ?? 0) | codec.TRUNCATED_RESPONSE
  return codec.encode({ ...packet, flags, answers: [], authorities: [] })
}

function garbled(packet: codec.Packet): Buffer {
  const bytes = codec.encode({ ...packet, answers: [], authorities: [], additionals: [] })
  bytes.writeUInt16BE(1, 6)
  return Buffer.concat([bytes, Buffer.from([0xc0, 0xff, 0, 0])])
}

function decoded(message: Buffer): codec.DecodedPacket | undefined {
  try {
    return codec.decode(message)
  } catch {
    return undefined
  }
}

function lengthPrefixed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}

function readTcp(socket: net.Socket, receive: (message: Buffer) => void): void {
  let pending: Buffer = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
      const end = 2 + pending.readUInt16BE(0)
      receive(pending.subarray(2, end))
      pending = pending.subarray(end)
    }
  })
}

/** UDP chooses the port when nobody did; TCP may find it taken, then both choose again. */
async function bind(
  address: string,
  chosen: number,
): Promise<{ udp: dgram.Socket; elsewhere: dgram.Socket; tcp: net.Server; port: number }> {
  const family = net.isIPv6(address) ? 'udp6' : 'udp4'
  for (;;) {
    const udp = dgram.createSocket(family)
    udp.bind(chosen, address)
    await once(udp, 'listening')
    const { port } = udp.address()
    const tcp = net.createServer()
    tcp.listen(port, address)
    const bound = await once(tcp, 'listening').then(
      () => true,
      () => false,
    )
    if (!bound) {
      udp.close()
      if (chosen !== 0) throw new Error(`port ${chosen} of ${address} is taken`)
      continue
    }
    const elsewhere = dgram.createSocket(family)
    elsewhere.bind(0, address)
    await once(elsewhere, 'listening')
    return { udp, elsewhere, tcp, port }
  }
}
