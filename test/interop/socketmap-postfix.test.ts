/**
 * Debian's Postfix asks `hermetic socketmap` what to demand of each domain of the DANE world, and delivers to its mail
 * exchangers: really signed zones, a real unbound, and the very configuration that the relay there runs with. It ends as
 * the relay ends, but where `docs/operating/socketmap.md` says why it cannot.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { SmtpDialogue } from '../lab/submit.ts'
import { DANE_DOMAINS, type DaneDomain, domainOf, hostOf } from './dane-domains.ts'
import { DanePostfixLab } from './dane-postfix-lab.ts'
import { untilGreeting } from './greeting.ts'
import { PostfixInstance } from './postfix-instance.ts'
import { freePort } from './relay-instance.ts'

const LAUNCHER = new URL('../../hermetic', import.meta.url).pathname
const WAIT_MS = 60_000
const run = promisify(execFile)

/** Where Postfix delivers what the relay does not: the difference D-1 of the conformance items. */
const DELIVERED_BY_POSTFIX_ONLY: ReadonlySet<string> = new Set(['sts-fails'])

/** `TEMP`: a lookup fails, or no host may be used; postmap tells it by failing. */
type Answer = 'dane-only' | 'dane' | 'encrypt' | 'secure' | 'NOTFOUND' | 'TEMP'

/** By what is published; what hosts show makes no difference here. */
function expectedAnswer({ tlsa, zones, policy, required }: DaneDomain): Answer {
  if (zones === 'bogus' || zones === 'bogus-mx-host' || zones === 'forged-tlsa' || zones === 'tlsa-servfail')
    return 'TEMP'
  if (policy?.mode === 'enforce' && policy.mx === 'another') return 'TEMP'
  if (required === true) return 'dane-only'
  if (tlsa === 'pkix') return 'encrypt'
  if (tlsa !== 'none') return zones === 'unsigned-mx' ? 'dane' : 'dane-only'
  return policy?.mode === 'enforce' ? 'secure' : 'NOTFOUND'
}

describe('Postfix, told by the socketmap', () => {
  const cleanup = new AsyncDisposableStack()
  let lab: DanePostfixLab
  let map: string
  let log: () => Promise<string>

  before(async () => {
    lab = cleanup.use(await DanePostfixLab.start())
    map = `socketmap:inet:127.0.0.1:${await socketmap()}:`
    log = await sendToAll()
  })

  after(() => cleanup.disposeAsync())

  for (const domain of DANE_DOMAINS) {
    const answer = expectedAnswer(domain)
    it(`${domain.name}: postmap is told ${answer}`, async () => {
      assert.equal(
        await told('policy', domain),
        answer === 'secure' ? `secure match=${hostOf(domain)} servername=hostname` : answer,
      )
    })
  }

  for (const domain of DANE_DOMAINS) {
    const isDelivered = domain.ends.kind === 'delivered' || DELIVERED_BY_POSTFIX_ONLY.has(domain.name)
    it(`${domain.name}: Postfix ${isDelivered ? 'delivers' : 'defers'}`, async () => {
      const [, status, reason = ''] = await ending(domain)
      assert.equal(status, isDelivered ? 'sent' : 'deferred', reason)
      if (isDelivered) await lab.postfix.nextMessage(`bob@${domainOf(domain)}`)
    })
  }

  it('parents, addresses and nonsense are answered as Postfix expects', async () => {
    for (const key of ['.example.test', '[192.0.2.1]:25', '[2001:db8::1]'])
      assert.equal(await query('policy', key), 'NOTFOUND')
    assert.match(await query('policy', 'no_such..name'), /^TEMP$/)
    assert.match(await query('nobody', 'dane-ee.test'), /^TEMP$/)
  })

  /** The relay's own settings, in a data_dir of its own. */
  async function socketmap(): Promise<number> {
    const port = await freePort()
    const env = { ...process.env, HERMETIC_DATA_DIR: `${lab.dir}/socketmap`, HERMETIC_METRICS__LISTEN: '127.0.0.1:0' }
    const args = ['socketmap', '--config', `${lab.dir}/relay/hermetic.toml`, '--listen', `127.0.0.1:${port}`]
    const child = spawn(LAUNCHER, args, { env, stdio: ['ignore', 'ignore', 'pipe'] })
    cleanup.defer(() => ended(child))
    await saidOn(child, 'Postfix can ask on ')
    return port
  }

  async function sendToAll(): Promise<() => Promise<string>> {
    const port = await freePort()
    const dir = `${lab.dir}/sender`
    const resolvConf = `${lab.dir}/sender-resolv.conf`
    await writeFile(resolvConf, `nameserver ${lab.nameServer}\noptions edns0 trust-ad timeout:5 attempts:1\n`)
    await chmod(resolvConf, 0o644)
    const transports = DANE_DOMAINS.map((one) => `{ ${domainOf(one)} = smtp:${domainOf(one)}:${lab.port} }`)
    const inside = `mount --bind ${resolvConf} /etc/resolv.conf && exec "$@"`
    const sender = await PostfixInstance.start({
      ...{ dir, logFile: `${lab.dir}/sender.log`, listeners: [`127.0.0.1:${port} inet n - n - - smtpd`] },
      wrap: (command) => ['unshare', '-m', 'sh', '-c', inside, 'sh', ...command],
      settings: {
        myhostname: 'sender.hermetic.test',
        mynetworks: '127.0.0.0/8',
        smtpd_peername_lookup: 'no',
        smtp_dns_support_level: 'dnssec',
        smtp_tls_security_level: 'dane',
        smtp_tls_policy_maps: `${map}policy`,
        smtp_tls_CAfile: lab.rootsFile,
        smtp_tls_loglevel: '1',
        transport_maps: `inline:{ ${transports.join(', ')} }`,
      },
    })
    cleanup.defer(() => sender.stop())
    await untilGreeting(port, WAIT_MS)
    const client = await SmtpDialogue.open({ port })
    await client.reply()
    await client.command('EHLO client.example.test')
    for (const domain of DANE_DOMAINS) {
      await client.command('MAIL FROM:<app@origin.test>')
      await client.command(`RCPT TO:<bob@${domainOf(domain)}>`)
      await client.command('DATA')
      client.send(`From: <app@origin.test>\r\nSubject: ${domain.name}\r\n\r\nhello\r\n.\r\n`)
      assert.equal((await client.reply())?.code, 250)
    }
    await client.quit()
    return () => sender.log()
  }

  function told(name: string, domain: DaneDomain): Promise<string> {
    return query(name, `${domainOf(domain)}:${lab.port}`)
  }

  /** postmap(1): exit code 1 without a line is "not found", with a line a failure. */
  async function query(name: string, key: string): Promise<string> {
    try {
      const { stdout } = await run('postmap', ['-c', `${lab.dir}/sender/etc`, '-q', key, `${map}${name}`])
      return stdout.trim()
    } catch (error) {
      const { code, stderr = '' } = error as { readonly code?: number; readonly stderr?: string }
      assert.equal(code, 1, stderr)
      return stderr === '' ? 'NOTFOUND' : 'TEMP'
    }
  }

  async function ending(domain: DaneDomain): Promise<RegExpExecArray> {
    const line = new RegExp(
      `to=<bob@${domainOf(domain).replaceAll('.', '\\.')}>, .*status=(sent|deferred|bounced) (.*)$`,
      'm',
    )
    for (const until = performance.now() + WAIT_MS; ; await sleep(100)) {
      const found = line.exec(await log())
      if (found !== null) return found
      assert.ok(performance.now() < until, `no end of ${domain.name}\n${await log()}`)
    }
  }
})

async function saidOn({ stderr, exitCode }: ChildProcess, text: string): Promise<void> {
  let said = ''
  assert(stderr !== null && exitCode === null)
  for await (const chunk of stderr.iterator({ destroyOnReturn: false })) {
    said += String(chunk)
    if (said.includes(text)) return
  }
  throw new Error(`hermetic socketmap ended: ${said}`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const gone = once(child, 'exit')
  child.kill('SIGTERM')
  await gone
}
