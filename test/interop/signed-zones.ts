/**
 * A private DNS world with its own signed root, served by one `named` on 127.0.0.1 and a random port. No internet.
 *
 *   await using zones = await SignedZones.start({
 *     dir,                                              // an empty folder of the test
 *     zones: [
 *       { name: 'signed.test', records: ['@ MX 10 mx', 'mx A 127.0.0.2', '_25._tcp.mx TLSA 3 1 1 ab…'] },
 *       { name: 'plain.test', dnssec: 'unsigned', records: ['@ MX 10 mx', 'mx A 127.0.0.3'] },
 *       { name: 'bogus.test', dnssec: 'wrong-ds', records: [...] },
 *       { name: '_tcp.mx.signed.test', served: false, records: [] },   // SERVFAIL for TLSA only
 *     ],
 *   })
 *   await using unbound = await UnboundInstance.start({ dir, anchors: zones.anchors, upstream: zones })
 *   // dns.servers = [`127.0.0.1:${unbound.port}`], dns.trust = "ad"
 *   await zones.replace({ name: 'signed.test', records: [...] }); await unbound.flush()
 *
 * The root and missing top-level domains are added, signed, and every zone is delegated from the nearest one above
 * it. What else a zone can be (expired, without DS, NSEC3 with opt-out, single records tampered with) is
 * in `LabZone`. `pause()` makes the server silent, `resume()` ends that. Does not need root.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import * as codec from 'dns-packet'
import { hasDs, type LabZone, makeKey, writeZone, zoneFile } from './dnssec-signing.ts'

export type { LabZone } from './dnssec-signing.ts'

export interface SignedZonesOptions {
  /** A folder `named` is made below it. */
  readonly dir: string
  readonly zones: readonly LabZone[]
}

const START_TIMEOUT_MS = 15_000
const QUERY_TIMEOUT_MS = 250
const POLL_MS = 25
const LOG_BYTES_KEPT = 8_192
/** Another program may take a port between the moment it was seen free and its use. */
const PORT_ATTEMPTS = 3

export class SignedZones implements AsyncDisposable {
  readonly address = '127.0.0.1'
  readonly port: number
  /** DS records of the root: the trust anchor of whoever shall validate these zones. */
  readonly anchors: readonly string[]
  /** '' is the root. */
  readonly zoneNames: readonly string[]
  readonly #dir: string
  readonly #server: ChildProcess
  readonly #zones: Map<string, LabZone>
  readonly #ds: ReadonlyMap<string, string>
  #serial = 1

  static async start(options: SignedZonesOptions): Promise<SignedZones> {
    const dir = `${options.dir}/named`
    await mkdir(dir, { recursive: true })
    const zones = new Map(withAncestors(options.zones).map((zone) => [zone.name, zone]))
    const keys = await Promise.all(
      [...zones.values()].map(async (zone) => [zone.name, (await makeKey(dir, zone)).ds] as const),
    )
    const ds = new Map(keys)
    const served = [...zones.values()].filter(isServed)
    await Promise.all(
      served.map((zone) => writeZone(dir, zone, { serial: 1, delegations: delegations(zone, zones, ds) })),
    )
    for (let attempt = 1; ; attempt++) {
      const port = await freeDnsPort()
      await writeFile(`${dir}/named.conf`, configuration({ dir, port, zones: [...zones.values()] }))
      const server = spawn('named', ['-g', '-c', `${dir}/named.conf`], {
        cwd: dir,
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      const log = logOf(server)
      const up = await untilServing({ server, port, zone: '', serial: 1 })
      if (up) return new SignedZones({ dir, port, server, zones, ds })
      server.kill('SIGKILL')
      if (attempt === PORT_ATTEMPTS) throw new Error(`named did not start: ${log()}`)
    }
  }

  /** Use `start`. */
  private constructor(parts: {
    readonly dir: string
    readonly port: number
    readonly server: ChildProcess
    readonly zones: Map<string, LabZone>
    readonly ds: ReadonlyMap<string, string>
  }) {
    this.port = parts.port
    this.anchors = [parts.ds.get('') ?? '']
    this.zoneNames = [...parts.zones.keys()]
    this.#dir = parts.dir
    this.#server = parts.server
    this.#zones = parts.zones
    this.#ds = parts.ds
  }

  /** Other contents, or another way of signing, for a zone that is there. Its parent's DS stays. */
  async replace(zone: LabZone): Promise<void> {
    const before = this.#zones.get(zone.name)
    if (before === undefined || !isServed(before) || !isServed(zone) || hasDs(before) !== hasDs(zone)) {
      throw new Error(`the delegation of ${zone.name} cannot change`)
    }
    this.#zones.set(zone.name, zone)
    this.#serial += 1
    const serial = this.#serial
    await writeZone(this.#dir, zone, { serial, delegations: delegations(zone, this.#zones, this.#ds) })
    this.#server.kill('SIGHUP')
    if (!(await untilServing({ server: this.#server, port: this.port, zone: zone.name, serial }))) {
      throw new Error(`named did not load the new ${zone.name}`)
    }
  }

  /** No answer to anything, from now on. */
  pause(): void {
    this.#server.kill('SIGSTOP')
  }

  resume(): void {
    this.#server.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    if (this.#server.exitCode !== null || this.#server.signalCode !== null) return
    const gone = once(this.#server, 'exit')
    this.#server.kill('SIGKILL')
    await gone
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }
}

function isServed({ served = true }: LabZone): boolean {
  return served
}

/** The root, with the addresses of the name servers, and the top-level domains that nobody wrote down. */
function withAncestors(zones: readonly LabZone[]): readonly LabZone[] {
  const tops = new Set(zones.map(({ name }) => name.split('.').at(-1) ?? ''))
  const missing = [...tops].filter((top) => !zones.some(({ name }) => name === top))
  const root: LabZone = { name: '', records: ['ns A 127.0.0.1'] }
  return [root, ...missing.map((name) => ({ name, records: [] })), ...zones]
}

/** What a parent says of the zones directly below it. */
function delegations(
  parent: LabZone,
  zones: ReadonlyMap<string, LabZone>,
  ds: ReadonlyMap<string, string>,
): readonly string[] {
  const names = [...zones.keys()]
  return [...zones.values()].flatMap((zone) => {
    if (zone.name === '' || parentOf(zone.name, names) !== parent.name) return []
    const digest = hasDs(zone) ? [ds.get(zone.name) ?? ''] : []
    return [`${zone.name}. NS ns.`, ...digest]
  })
}

function parentOf(name: string, names: readonly string[]): string {
  const above = names.filter((other) => other !== name && (other === '' || name.endsWith(`.${other}`)))
  return above.reduce((longest, other) => (other.length > longest.length ? other : longest), '')
}

function configuration(options: {
  readonly dir: string
  readonly port: number
  readonly zones: readonly LabZone[]
}): string {
  const { dir, port, zones } = options
  // A zone whose file is not there is answered with SERVFAIL.
  const statements = zones.map(
    (zone) => `zone "${zone.name}." { type primary; file "${zoneFile(dir, zone)}"; check-names ignore; };`,
  )
  return `options {
  directory "${dir}"; pid-file none; session-keyfile none; lock-file none;
  listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; };
  recursion no; dnssec-validation no; notify no; allow-transfer { none; }; minimal-responses yes;
  rate-limit { responses-per-second 0; };
};
controls { };
${statements.join('\n')}
`
}

function logOf(server: ChildProcess): () => string {
  let log = ''
  server.stderr?.on('data', (chunk: Buffer) => {
    log = (log + chunk.toString('utf8')).slice(-LOG_BYTES_KEPT)
  })
  server.on('error', (error) => {
    log += error.message
  })
  return () => log
}

async function untilServing(expected: {
  readonly server: ChildProcess
  readonly port: number
  readonly zone: string
  readonly serial: number
}): Promise<boolean> {
  const until = performance.now() + START_TIMEOUT_MS
  while (performance.now() < until) {
    if (expected.server.exitCode !== null || expected.server.pid === undefined) return false
    if ((await serialOf(expected.port, expected.zone)) === expected.serial) return true
    await sleep(POLL_MS)
  }
  return false
}

async function serialOf(port: number, zone: string): Promise<number | undefined> {
  const socket = dgram.createSocket('udp4')
  const query = codec.encode({ type: 'query', id: 1, questions: [{ type: 'SOA', name: zone === '' ? '.' : zone }] })
  try {
    socket.send(query, port, '127.0.0.1')
    const [message] = (await once(socket, 'message', { signal: AbortSignal.timeout(QUERY_TIMEOUT_MS) })) as [Buffer]
    const soa = codec.decode(message).answers?.find((answer) => answer.type === 'SOA')
    return soa?.data.serial
  } catch {
    return undefined
  } finally {
    socket.close()
  }
}

/** A port of loopback that was free for UDP and TCP a moment ago. */
export async function freeDnsPort(): Promise<number> {
  for (;;) {
    const tcp = net.createServer().listen(0, '127.0.0.1')
    await once(tcp, 'listening')
    const { port } = tcp.address() as net.AddressInfo
    const udp = dgram.createSocket('udp4')
    const free = await new Promise<boolean>((resolve) => {
      udp.once('error', () => resolve(false))
      udp.bind(port, '127.0.0.1', () => resolve(true))
    })
    if (free) udp.close()
    tcp.close()
    await once(tcp, 'close')
    if (free) return port
  }
}
