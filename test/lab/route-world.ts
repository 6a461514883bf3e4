/**
 * The whole relay between an application and its smarthosts: hosts with certificates of the lab's authority, each at an
 * address and a port of its own, policy hosts when a test wants them, and mail handed in by SMTP.
 *
 *   await using world = await RouteWorld.start({
 *     hosts: { 'smart.test': { credentials: { username: 'shop', password: 'secret' } } },
 *     routes: (port) => `[[route]]\ndomain = "*"\nhost = "smart.test"\nport = ${port('smart.test')}\n…`,
 *   })
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import type { LogEvent } from '../../packages/mta/src/observability/log-events.ts'
import type { QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import type { NameRecords } from './dns-server.ts'
import { testEngine } from './engine-of-test.ts'
import { certificateFor } from './policy-certificates.ts'
import { PolicyHost } from './policy-host.ts'
import type { ScriptedMx } from './scripted-mx.ts'
import { type PolicyOptions, policyText } from './sts-world.ts'
import { WholeRelay } from './whole-relay.ts'
import { addressBlock, type HostOptions, labAuthority, startHost } from './world-host.ts'

export interface RouteWorldOptions {
  readonly hosts?: Readonly<Record<string, HostOptions>>
  /** TOML; `port` answers where a host listens, `address` which address it has. */
  readonly routes: (port: (host: string) => number, address: (host: string) => string) => string
  /** Hosts listen on all of loopback, so that `records` may give them more addresses. */
  readonly everyAddress?: boolean
  /** Which host takes the mail of these domains without a route: `[delivery] port` is its port. */
  readonly mailExchanger?: string
  readonly mx?: Readonly<Record<string, readonly (readonly [number, string])[]>>
  readonly policies?: Readonly<Record<string, PolicyOptions>>
  readonly records?: Readonly<Record<string, NameRecords>>
  readonly smtpNetworks?: readonly string[]
  /** More TOML, after `[delivery]`. */
  readonly settings?: string
}

interface SubmitOptions {
  /** Empty: the null reverse-path. */
  readonly from?: string
}

export class RouteWorld implements AsyncDisposable {
  /** The running one; another after `restart`. */
  relay: WholeRelay
  readonly #hosts: ReadonlyMap<string, ScriptedMx>
  readonly #policyHosts: readonly PolicyHost[]
  readonly #directory: string
  #options: RouteWorldOptions
  #sent = 0

  static async start(options: RouteWorldOptions): Promise<RouteWorld> {
    const ca = await labAuthority()
    const directory = await mkdtemp(join(tmpdir(), 'route-world-'))
    await writeFile(join(directory, 'roots.pem'), ca.certificate)
    const addresses = addressBlock()
    const hosts = new Map<string, ScriptedMx>()
    for (const [name, host] of Object.entries(options.hosts ?? {})) {
      hosts.set(
        name,
        await startHost({
          name,
          host,
          address: options.everyAddress === true ? '0.0.0.0' : addresses(),
          port: undefined,
          ca,
        }),
      )
    }
    const policyHosts: PolicyHost[] = []
    for (const [domain, policy] of Object.entries(options.policies ?? {})) {
      const tls = await certificateFor(`mta-sts.${domain}`, 'good', ca)
      const port = policyHosts[0]?.port
      const where = { address: addresses(), ...(port === undefined ? {} : { port }) }
      policyHosts.push(await PolicyHost.start({ ...where, tls, answer: { body: policyText(policy) } }))
    }
    const parts = { hosts, policyHosts, directory }
    return new RouteWorld(await startRelay(options, parts), options, parts)
  }

  /** Use `start`. */
  private constructor(relay: WholeRelay, options: RouteWorldOptions, { hosts, policyHosts, directory }: Parts) {
    this.relay = relay
    this.#options = options
    this.#hosts = hosts
    this.#policyHosts = policyHosts
    this.#directory = directory
  }

  host(name: string): ScriptedMx {
    const host = this.#hosts.get(name)
    assert.ok(host !== undefined, `no host ${name} in this world`)
    return host
  }

  /** Hands a message in by SMTP; answers its queue id. */
  submit(to: string, ...more: readonly string[]): Promise<QueueId> {
    return this.submitAs({}, to, ...more)
  }

  async submitAs(
    { from = 'app@sender.test' }: SubmitOptions,
    to: string,
    ...more: readonly string[]
  ): Promise<QueueId> {
    const client = await this.relay.greeted()
    this.#sent += 1
    await client.command(`MAIL FROM:<${from}>`)
    for (const recipient of [to, ...more]) await client.command(`RCPT TO:<${recipient}>`)
    await client.command('DATA')
    client.send(`From: <app@sender.test>\r\nSubject: number ${this.#sent}\r\n\r\nhello\r\n.\r\n`)
    assert.equal((await client.reply())?.code, 250)
    await client.quit()
    const accepted = this.relay.eventsOf('message-accepted').at(-1)
    assert.ok(accepted !== undefined)
    return accepted.id
  }

  /** The settles of one message so far. */
  settles(id: QueueId): readonly (LogEvent & { readonly event: 'message-settled' })[] {
    return this.relay.eventsOf('message-settled').filter((event) => event.id === id)
  }

  async settled(id: QueueId, times = 1): Promise<void> {
    await this.relay.until(() => this.settles(id).length >= times, `${id} was not settled`)
  }

  /** Hands a message in and waits for the end of its first attempt. */
  async send(to: string): Promise<QueueId> {
    const id = await this.submit(to)
    await this.settled(id)
    return id
  }

  /**
   * Stops the relay and starts it again on the same queue, with something changed. The back-off of a lane that many
   * relays share outlives one of them: an operator ends it.
   */
  async restart(changed: Partial<RouteWorldOptions>): Promise<void> {
    await this.relay[Symbol.asyncDispose]()
    this.#options = { ...this.#options, ...changed }
    this.relay = await startRelay(this.#options, {
      ...{ hosts: this.#hosts, policyHosts: this.#policyHosts, directory: this.#directory },
    })
    if (testEngine() === 'redis') await retryAll(this.relay.file)
  }

  async metrics(): Promise<string> {
    return (await fetch(`http://127.0.0.1:${this.relay.relay.metricsPort}/metrics`)).text()
  }

  /** Questions to the name servers, as `TXT _mta-sts.example.test`. */
  get questions(): readonly string[] {
    return this.relay.queries.map(({ name, type }) => `${type} ${name}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay[Symbol.asyncDispose]()
    for (const host of [...this.#hosts.values(), ...this.#policyHosts]) await host[Symbol.asyncDispose]()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

interface Parts {
  readonly hosts: ReadonlyMap<string, ScriptedMx>
  readonly policyHosts: readonly PolicyHost[]
  readonly directory: string
}

async function retryAll(file: string): Promise<void> {
  using terminal = new TerminalLab()
  const { code, err } = await terminal.run('queue', 'retry', '--all', '--yes', '--config', file)
  assert.equal(code, 0, err)
}

async function startRelay(options: RouteWorldOptions, { hosts, policyHosts, directory }: Parts): Promise<WholeRelay> {
  const records: Record<string, NameRecords> = {}
  for (const [name, { address }] of hosts) records[name] = { A: [address] }
  for (const [index, [domain, { id = '1' }]] of Object.entries(options.policies ?? {}).entries()) {
    records[`mta-sts.${domain}`] = { A: [policyHosts[index]?.address ?? ''] }
    records[`_mta-sts.${domain}`] = { TXT: [`v=STSv1; id=${id}`] }
  }
  for (const [name, MX] of Object.entries(options.mx ?? {})) records[name] = { ...records[name], MX }
  const host = (name: string): ScriptedMx => {
    const found = hosts.get(name)
    assert.ok(found !== undefined, `no host ${name} in this world`)
    return found
  }
  const routes = options.routes(
    (name) => host(name).port,
    (name) => host(name).address,
  )
  return WholeRelay.start({
    settings: `
data_dir = "${directory}/data"
[trust]
ca_file = "${directory}/roots.pem"
[mta_sts]
https_port = ${policyHosts[0]?.port ?? 443}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${options.mailExchanger === undefined ? 25 : host(options.mailExchanger).port}
retry_quick = ["1s"]
${options.settings ?? ''}
${routes}
`,
    records: { ...records, ...options.records },
    egress: 'https_networks = ["127.0.0.0/8"]',
    ...(options.smtpNetworks === undefined ? {} : { smtpNetworks: options.smtpNetworks }),
  })
}
