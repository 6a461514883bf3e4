/**
 * `dane-domains.ts` brought to life: real signed zones behind a real unbound, one real Postfix with a face for each
 * mail exchanger, a policy host, and the relay as an operator starts it, which believes that unbound.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAuthority } from '../lab/ca.ts'
import { PolicyHost, type PolicyRequest } from '../lab/policy-host.ts'
import { policyText } from '../lab/sts-world.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { DANE_DOMAINS, type DaneHost, daneHost, domainOf, hostOf, zonesOf } from './dane-domains.ts'
import { policySettings } from './policy-settings.ts'
import { PostfixMx } from './postfix-mx.ts'
import { freePort, hermetic, RelayInstance } from './relay-instance.ts'
import { SignedZones } from './signed-zones.ts'
import { UnboundInstance } from './unbound-instance.ts'

export type LogLine = Readonly<Record<string, unknown>>

const WAIT_MS = 30_000
const POLL_MS = 50
/** Other tests use the addresses below. */
const FIRST_HOST = 40

export class DanePostfixLab implements AsyncDisposable {
  readonly dir: string
  readonly hosts: readonly DaneHost[]
  readonly postfix: PostfixMx
  /** Of all mail exchangers. */
  readonly port: number
  /** Where unbound answers on port 53, for programs that know no other. */
  readonly nameServer: string
  /** Roots that PKIX believes. */
  readonly rootsFile: string
  readonly #parts: Parts

  static async start(): Promise<DanePostfixLab> {
    assert.equal(process.getuid?.(), 0, 'Postfix needs root to run: start test:interop as root')
    await using cleanup = new AsyncDisposableStack()
    const dir = await mkdtemp(`${tmpdir()}/hermetic-interop-dane-`)
    cleanup.defer(() => rm(dir, { recursive: true, force: true }))
    await chmod(dir, 0o755)
    const trusted = await createAuthority()
    const rootsFile = `${dir}/roots.pem`
    await writeFile(rootsFile, trusted.certificate)
    const hosts = await Promise.all(
      DANE_DOMAINS.map((domain, index) => daneHost(domain, { address: `127.0.0.${FIRST_HOST + index}`, trusted })),
    )
    const policies = cleanup.use(await policyHost(await trusted.issue({ names: policyNames() })))
    const port = await freePort()
    const zones = cleanup.use(
      await SignedZones.start({
        dir,
        zones: hosts.flatMap((host) => zonesOf(host, { port, policyAddress: policies.address })),
      }),
    )
    const nameServer = `127.${randomInt(100, 250)}.${randomInt(1, 250)}.53`
    const settings = [`interface: ${nameServer}@53`]
    const unbound = cleanup.use(await UnboundInstance.start({ dir, anchors: zones.anchors, upstream: zones, settings }))
    const postfix = await PostfixMx.start({
      dir: `${dir}/postfix`,
      port,
      certificate: await trusted.issue({ names: ['postfix.hermetic.test'] }),
      mailboxes: hosts.map(({ domain }) => `bob@${domainOf(domain)}`),
      further: hosts.map(({ domain: { name, hidesStartTls = false }, address, certificate }) => ({
        ...{ name, address, certificate, hidesStartTls },
      })),
    })
    cleanup.defer(() => postfix.stop())
    const listen = await freePort()
    const records: LogLine[] = []
    const relay = await RelayInstance.start({
      dir: `${dir}/relay`,
      settings: `${policySettings({ listen, dns: unbound.port, mx: port, rootsFile, policies: policies.port, trust: 'ad' })}${overrides()}`,
      readyPort: listen,
      onLine: (line) => records.push(JSON.parse(line) as LogLine),
    })
    cleanup.defer(() => relay.stop())
    const parts = { dir, hosts, postfix, port, nameServer, rootsFile, relay, listen, records }
    return new DanePostfixLab({ ...parts, cleanup: cleanup.move() })
  }

  /** Use `start`. */
  private constructor(parts: Parts) {
    this.dir = parts.dir
    this.hosts = parts.hosts
    this.postfix = parts.postfix
    this.port = parts.port
    this.nameServer = parts.nameServer
    this.rootsFile = parts.rootsFile
    this.#parts = parts
  }

  host(name: string): DaneHost {
    const found = this.hosts.find(({ domain }) => domain.name === name)
    assert.ok(found !== undefined, name)
    return found
  }

  /** One message to each domain, tried once. */
  async deliverToAll(): Promise<void> {
    const client = await SmtpDialogue.open({ port: this.#parts.listen })
    await client.reply()
    await client.command('EHLO client.example.test')
    for (const { domain } of this.hosts) {
      const to = `bob@${domainOf(domain)}`
      await client.command('MAIL FROM:<app@origin.test>')
      await client.command(`RCPT TO:<${to}>`)
      await client.command('DATA')
      client.send(`From: <app@origin.test>\r\nTo: <${to}>\r\nSubject: ${domain.name}\r\n\r\nhello\r\n.\r\n`)
      assert.equal((await client.reply())?.code, 250)
    }
    await client.quit()
    await this.until('one attempt on each message', async () => {
      const ended = this.#parts.records.filter(
        ({ event }) => event === 'attempt-finished' || event === 'next-hop-failed',
      )
      return new Set(ended.map((line) => line['next_hop'])).size === this.hosts.length ? true : undefined
    })
  }

  /** The first line of the relay's log of this kind about the domain. */
  async logged(event: string, domain: string): Promise<LogLine> {
    return await this.until(`${event} of ${domain}`, async () =>
      this.#parts.records.find((one) => one['event'] === event && one['next_hop'] === domain),
    )
  }

  /** What waits in the queue once its first attempt is settled, a line of JSON for each message. */
  async waiting(): Promise<readonly string[]> {
    return await this.until('a reason for each message that waits', async () => {
      const out = await hermetic(`${this.dir}/relay`, 'queue', 'list', '--json')
      const lines = out.split('\n').filter((line) => line !== '')
      return lines.every((line) => line.includes('"deferred"')) ? lines : undefined
    })
  }

  /** Postfix' log about one face, with the part that names the process taken away. */
  async face(name: string): Promise<readonly string[]> {
    const lines = (await this.postfix.log()).split('\n')
    return lines.flatMap((line) => line.split(new RegExp(`postfix/${name}/smtpd\\[\\d+\\]: `))[1] ?? [])
  }

  /** The commands of each session with a face, as Postfix counts them when it has ended. */
  async sessionsAt(name: string): Promise<readonly string[]> {
    return await this.until(`the end of a session at ${name}`, async () => {
      const lines = await this.face(name)
      const closed = lines.filter((line) => line.startsWith('disconnect from '))
      const opened = lines.filter((line) => line.startsWith('connect from ')).length
      return opened > 0 && opened === closed.length ? closed : undefined
    })
  }

  async until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (const end = performance.now() + WAIT_MS; ; await sleep(POLL_MS)) {
      const found = await look()
      if (found !== undefined) return found
      const { relay, postfix } = this.#parts
      assert.ok(performance.now() < end, `${what}\n${relay.output}\n${await postfix.log()}`)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.cleanup.disposeAsync()
  }
}

interface Parts extends Pick<DanePostfixLab, 'dir' | 'hosts' | 'postfix' | 'port' | 'nameServer' | 'rootsFile'> {
  readonly relay: RelayInstance
  readonly listen: number
  readonly records: readonly LogLine[]
  readonly cleanup: AsyncDisposableStack
}

function policyNames(): readonly string[] {
  return DANE_DOMAINS.flatMap((domain) => (domain.policy === undefined ? [] : [`mta-sts.${domainOf(domain)}`]))
}

/** One host for all domains, told apart by the name in the request. */
function policyHost({ key, chain }: { readonly key: string; readonly chain: string }): Promise<PolicyHost> {
  const answer = ({ fields }: PolicyRequest) => {
    const asked = (fields.get('host') ?? '').replace(/:\d+$/, '')
    const domain = DANE_DOMAINS.find((one) => `mta-sts.${domainOf(one)}` === asked)
    if (domain?.policy === undefined) return { status: 404 }
    const { mode, mx } = domain.policy
    return { body: policyText({ mode, mx: [mx === 'its-host' ? hostOf(domain) : 'mx.elsewhere.test'] }) }
  }
  return PolicyHost.start({ tls: { key, cert: chain }, answer })
}

/** The domains whose owner we hold to DANE. */
function overrides(): string {
  return DANE_DOMAINS.filter(({ required }) => required)
    .map((domain) => `[[policy_override]]\ndomain = "${domainOf(domain)}"\nrequire = "dane"\n`)
    .join('')
}
