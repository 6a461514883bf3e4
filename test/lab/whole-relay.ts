/**
 * The whole relay in this process, as `hermetic start` runs it: settings from a file, a DNS server of its own, mail
 * exchangers on loopback; and everything that it told. Only ports, addresses and directories are not a user's.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadConfig } from '../../packages/mta/src/config/load.ts'
import { formatProblem } from '../../packages/mta/src/config/problem.ts'
import type { Config } from '../../packages/mta/src/config/schema.ts'
import { type Relay, type RelayOptions, startRelay } from '../../packages/mta/src/main.ts'
import type { LogEvent } from '../../packages/mta/src/observability/log-events.ts'
import type { SpoolHooks } from '../../packages/mta/src/spool/faults.ts'
import { type DnsServer, type NameRecords, startDnsServer, zone } from './dns-server.ts'
import { onEngineOfTest } from './engine-of-test.ts'
import { SmtpDialogue } from './submit.ts'

export interface WholeRelayOptions {
  /** TOML: the listeners, and what a test changes in other tables than `[dns]`, `[egress]` and `[metrics]`. */
  readonly settings: string
  readonly records: Readonly<Record<string, NameRecords>>
  /** Special networks in which mail exchangers may be; all of loopback by default. */
  readonly smtpNetworks?: readonly string[]
  /** "ad" believes the name server of this world, which then needs the root: `'.': { SOA: true, secure: true }`. */
  readonly trust?: 'ad' | 'none'
  readonly dnssec?: RelayOptions['dnssec']
  /** More lines for `[egress]`. */
  readonly egress?: string
  /** Writes what the settings name, before they are read. */
  readonly files?: (directory: string) => Promise<void>
  /** Tests of faults only. */
  readonly spoolHooks?: SpoolHooks
  readonly onThread?: RelayOptions['onThread']
  /** What no settings file can say. */
  readonly configured?: (config: Config) => Config
}

const WAIT_MS = 10_000

export class WholeRelay implements AsyncDisposable {
  readonly relay: Relay
  readonly events: readonly LogEvent[]
  /** The configuration file, for the command line. */
  readonly file: string
  /** Of the log, as written. */
  readonly lines: readonly string[]
  readonly #dns: DnsServer
  readonly #directory: string

  static async start(options: WholeRelayOptions): Promise<WholeRelay> {
    const { settings, records, spoolHooks, onThread, dnssec } = options
    const dns = await startDnsServer({ zones: [zone(records)] })
    const directory = await mkdtemp(join(tmpdir(), 'whole-relay-'))
    const file = join(directory, 'hermetic.toml')
    const chosen = await onEngineOfTest(settings, directory)
    await writeFile(file, `hostname = "relay.example.test"\n${chosen}\n${surroundings(dns, options)}`)
    await options.files?.(directory)
    const load = (): ReturnType<typeof loadConfig> => loadConfig({ file, env: {} })
    const config = load()
    assert.ok(config.ok, config.ok ? '' : config.error.map(formatProblem).join('\n'))
    const events: LogEvent[] = []
    const lines: string[] = []
    const relay = await startRelay(options.configured?.(config.value) ?? config.value, {
      version: 'test',
      loadConfig: load,
      logStream: { write: (line) => void lines.push(line) },
      onEvent: (event) => void events.push(event),
      // Early talkers have tests of their own; each session of the others would wait a quarter of a second for them.
      earlyTalkerDelayMs: 0,
      ...(spoolHooks === undefined ? {} : { spoolHooks }),
      ...(dnssec === undefined ? {} : { dnssec }),
      ...(onThread === undefined ? {} : { onThread }),
    })
    if (!relay.ok) await dns.close()
    assert.ok(relay.ok, JSON.stringify(relay))
    return new WholeRelay(relay.value, { events, lines, dns, directory, file })
  }

  /** Use `start`. */
  private constructor(
    relay: Relay,
    parts: {
      readonly events: readonly LogEvent[]
      readonly lines: readonly string[]
      readonly dns: DnsServer
      readonly directory: string
      readonly file: string
    },
  ) {
    this.relay = relay
    this.events = parts.events
    this.lines = parts.lines
    this.file = parts.file
    this.#dns = parts.dns
    this.#directory = parts.directory
  }

  /** The name server of this world. */
  get dns(): DnsServer {
    return this.#dns
  }

  /** What the name servers of this world were asked. */
  get queries(): DnsServer['queries'] {
    return this.#dns.queries
  }

  eventsOf<E extends LogEvent['event']>(event: E): readonly (LogEvent & { readonly event: E })[] {
    return this.events.filter((one): one is LogEvent & { readonly event: E } => one.event === event)
  }

  /** A session with the listener at this place of the settings, EHLO said. */
  async greeted(listener = 0): Promise<SmtpDialogue> {
    const port = this.relay.listeners[listener]?.listener.port
    assert.ok(port !== undefined, `no listener ${listener}`)
    const dialogue = await SmtpDialogue.open({ port })
    await dialogue.reply()
    await dialogue.command('EHLO client.example.test')
    return dialogue
  }

  async until(condition: () => boolean, what = condition.toString()): Promise<void> {
    const giveUpAt = performance.now() + WAIT_MS
    while (!condition()) {
      assert.ok(
        performance.now() < giveUpAt,
        `${what}\n${this.events.map((event) => JSON.stringify(event)).join('\n')}`,
      )
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay.stop('test')
    await this.#dns.close()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

function surroundings(
  dns: DnsServer,
  { egress = '', smtpNetworks = ['127.0.0.0/8'], trust = 'none' }: WholeRelayOptions,
): string {
  return `
[dns]
servers = ["${dns.address}:${dns.port}"]
trust = "${trust}"
[egress]
smtp_networks = ${JSON.stringify(smtpNetworks)}
${egress}
[metrics]
listen = "127.0.0.1:0"
`
}
