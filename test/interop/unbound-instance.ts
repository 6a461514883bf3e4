/**
 * A private validating `unbound` on 127.0.0.1 and a random port, in front of `SignedZones` or of any name server:
 * the resolver that an operator would name with `dns.trust = "ad"`.
 *
 *   await using unbound = await UnboundInstance.start({ dir, anchors: zones.anchors, upstream: zones })
 *   await unbound.flush()      // forgets all answers
 *   await unbound.kill()       // SIGKILL; nothing listens on the port afterwards
 *   await unbound.launch()     // the same port again
 *   unbound.pause(); unbound.resume()   // silence without a closed port
 *
 * Sends AD for what it validated, SERVFAIL with an extended error (RFC 8914) for what is bogus. Does not need root.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freeDnsPort } from './signed-zones.ts'

export interface UnboundOptions {
  /** A folder `unbound` is made below it. */
  readonly dir: string
  /** DS or DNSKEY records; none makes a resolver that validates nothing and never sends AD. */
  readonly anchors: readonly string[]
  /** Who serves these zones ('' is the root). */
  readonly upstream: { readonly address: string; readonly port: number; readonly zoneNames: readonly string[] }
  /** Lines for `server:`. */
  readonly settings?: readonly string[]
}

const START_TIMEOUT_MS = 15_000
const POLL_MS = 25
const LOG_BYTES_KEPT = 8_192
const PORT_ATTEMPTS = 3

export class UnboundInstance implements AsyncDisposable {
  readonly address = '127.0.0.1'
  readonly port: number
  readonly #dir: string
  #server: ChildProcess | undefined
  #log = ''

  static async start(options: UnboundOptions): Promise<UnboundInstance> {
    const dir = `${options.dir}/unbound`
    await mkdir(dir, { recursive: true })
    for (let attempt = 1; ; attempt++) {
      const port = await freeDnsPort()
      await writeFile(`${dir}/unbound.conf`, configuration(options, { dir, port }))
      const instance = new UnboundInstance(dir, port)
      try {
        await instance.launch()
        return instance
      } catch (error) {
        await instance.kill()
        if (attempt === PORT_ATTEMPTS) throw error
      }
    }
  }

  /** Use `start`. */
  private constructor(dir: string, port: number) {
    this.#dir = dir
    this.port = port
  }

  /** After `kill`: with an empty cache, on the same port. */
  async launch(): Promise<void> {
    this.#log = ''
    const server = spawn('unbound', ['-d', '-c', `${this.#dir}/unbound.conf`], { stdio: ['ignore', 'ignore', 'pipe'] })
    server.on('error', (error) => {
      this.#log += error.message
    })
    server.stderr.on('data', (chunk: Buffer) => {
      this.#log = (this.#log + chunk.toString('utf8')).slice(-LOG_BYTES_KEPT)
    })
    this.#server = server
    const until = performance.now() + START_TIMEOUT_MS
    // It listens before it answers, but what was sent meanwhile is answered.
    while (!(await listens(this.port))) {
      if (performance.now() > until || server.exitCode !== null || server.pid === undefined) {
        throw new Error(`unbound did not start: ${this.#log}`)
      }
      await sleep(POLL_MS)
    }
  }

  get pid(): number | undefined {
    return this.#server?.pid
  }

  /** The end of what it wrote. */
  get log(): string {
    return this.#log
  }

  async kill(): Promise<void> {
    const server = this.#server
    if (server?.pid === undefined || server.exitCode !== null || server.signalCode !== null) return
    const gone = once(server, 'exit')
    server.kill('SIGKILL')
    await gone
  }

  /** Forgets what it knows: takes its port away for some ten milliseconds. */
  async flush(): Promise<void> {
    await this.kill()
    await this.launch()
  }

  /** No answer to anything, from now on. */
  pause(): void {
    this.#server?.kill('SIGSTOP')
  }

  resume(): void {
    this.#server?.kill('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}

function configuration(
  { anchors, upstream, settings = [] }: UnboundOptions,
  { dir, port }: { readonly dir: string; readonly port: number },
): string {
  return `server:
  directory: "${dir}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  val-log-level: 2
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  do-ip6: no
  do-not-query-localhost: no
  do-daemonize: no
  ede: yes
  qname-minimisation: no
  aggressive-nsec: no
  local-zone: "test." nodefault
  unblock-lan-zones: yes
  insecure-lan-zones: yes
  target-fetch-policy: "0 0 0 0 0"
  module-config: "validator iterator"
${[...anchors.map((anchor) => `trust-anchor: "${anchor}"`), ...settings].map((line) => `  ${line}`).join('\n')}
remote-control:
  control-enable: no
${upstream.zoneNames.map((name) => stubZone(name, upstream)).join('\n')}
`
}

/** A zone without one would be asked at port 53 of the address that its delegation names. */
function stubZone(name: string, { address, port }: { readonly address: string; readonly port: number }): string {
  return `stub-zone:\n  name: "${name}."\n  stub-addr: ${address}@${port}`
}

async function listens(port: number): Promise<boolean> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
