/**
 * MTA-STS in front of the mail exchanger that most of the world runs: one Postfix shows five faces to the relay, one
 * good, four that an attacker or a careless owner would show. Postfix' own log says what the relay did there, and that
 * each face takes mail of a domain without a policy: what keeps the others away is the policy (RFC 8461 §4, §5).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { type Authority, createAuthority, type IssuedCertificate, selfSigned } from '../lab/ca.ts'
import { type DnsServer, type NameRecords, startDnsServer, zone } from '../lab/dns-server.ts'
import { PolicyHost, type PolicyRequest } from '../lab/policy-host.ts'
import { policyText } from '../lab/sts-world.ts'
import { policySettings } from './policy-settings.ts'
import { type FurtherListener, PostfixMx } from './postfix-mx.ts'
import { freePort, hermetic, RelayInstance } from './relay-instance.ts'

const WAIT_MS = 30_000
const POLL_MS = 50

/** One domain with an enforced policy for each face; the same face serves `without-<name>.test`, which has none. */
interface Face {
  readonly name: string
  readonly certificate: (authority: Authority, host: string) => Promise<IssuedCertificate>
  readonly hidesStartTls?: boolean
  /** Absent: the mail goes through. */
  readonly refused?: { readonly status: string; readonly problem: RegExp }
}

const GOOD = (authority: Authority, host: string) => authority.issue({ names: [host] })
const FACES: readonly Face[] = [
  { name: 'good', certificate: GOOD },
  {
    name: 'wrong-name',
    certificate: (authority, host) => authority.issue({ names: [`other.${host}`], commonName: host }),
    refused: { status: '4.7.5', problem: /certificate-name-mismatch/ },
  },
  {
    name: 'expired',
    certificate: (authority, host) => authority.issue({ names: [host], validFromDays: -30, validToDays: -1 }),
    refused: { status: '4.7.5', problem: /certificate-untrusted.*CERT_HAS_EXPIRED/ },
  },
  {
    name: 'self-signed',
    certificate: (_, host) => selfSigned({ names: [host] }),
    refused: { status: '4.7.5', problem: /certificate-untrusted.*DEPTH_ZERO_SELF_SIGNED_CERT/ },
  },
  {
    name: 'stripped',
    certificate: GOOD,
    hidesStartTls: true,
    refused: { status: '4.7.10', problem: /starttls-not-offered/ },
  },
]

describe('an enforced policy, and a real Postfix behind it', () => {
  let dir: string
  let postfix: PostfixMx
  let policies: PolicyHost
  let dns: DnsServer
  let relay: RelayInstance
  let port: number
  const records: Record<string, unknown>[] = []

  before(async () => {
    assert.equal(process.getuid?.(), 0, 'Postfix needs root to run: start test:interop as root')
    dir = await mkdtemp(`${tmpdir()}/hermetic-interop-sts-`)
    await chmod(dir, 0o755)
    const authority = await createAuthority()
    await writeFile(`${dir}/roots.pem`, authority.certificate)
    const mxPort = await freePort()
    const further = await Promise.all(FACES.map((face, index) => listener(authority, { face, index })))
    postfix = await PostfixMx.start({
      dir: `${dir}/postfix`,
      port: mxPort,
      certificate: await authority.issue({ names: ['postfix.hermetic.test'] }),
      mailboxes: FACES.flatMap(({ name }) => [`bob@${name}.test`, `bob@without-${name}.test`]),
      further,
    })
    policies = await policyHost(authority)
    dns = await startDnsServer({ zones: [zone(dnsRecords(further, policies))] })
    port = await freePort()
    relay = await RelayInstance.start({
      dir: `${dir}/relay`,
      settings: policySettings({
        ...{ listen: port, dns: dns.port, mx: mxPort, policies: policies.port },
        ...{ rootsFile: `${dir}/roots.pem`, trust: 'none' },
      }),
      readyPort: port,
      onLine: (line) => records.push(JSON.parse(line) as Record<string, unknown>),
    })
  })

  after(async () => {
    await relay?.stop()
    await dns?.close()
    await policies?.[Symbol.asyncDispose]()
    await postfix?.stop()
    await rm(dir, { recursive: true, force: true })
  })

  for (const face of FACES) {
    const domain = `${face.name}.test`
    if (face.refused === undefined) {
      it('delivers to a host with a certificate for its name, and both sides say so', async () => {
        await submit(port, domain)
        const message = await postfix.nextMessage(`bob@${domain}`)
        assert.match(message, /^Received: from relay\.hermetic\.test .*\n\t\(using TLSv1\.3 with cipher /m)
        const record = await recorded('attempt-finished', domain)
        const { result, sts_policy, sts_from, sts_matched, tls_verdict } = record
        assert.deepEqual(
          { result, sts_policy, sts_from, sts_matched, tls_verdict },
          {
            result: 'delivered',
            sts_policy: 'enforce',
            sts_from: 'fresh',
            sts_matched: `mx.${domain}`,
            tls_verdict: 'sts',
          },
        )
        assert.deepEqual(await waiting(domain), [])
      })
      continue
    }
    const { status, problem } = face.refused
    it(`${face.name}: the mail waits with ${status}, and Postfix has seen neither MAIL nor RCPT`, async () => {
      await submit(port, domain)
      const record = await recorded('session-failed', domain)
      assert.match(JSON.stringify(record), problem)
      const [message, ...others] = await deferred(domain)
      assert.deepEqual(others, [])
      assert.match(JSON.stringify(message), new RegExp(`"${status.replaceAll('.', '\\.')}"`))
      const sessions = await sessionsAt(face.name)
      assert.ok(sessions.length > 0, 'Postfix saw us')
      for (const session of sessions) assert.doesNotMatch(session, / (?:mail|rcpt|data)=/, session)
    })
  }

  for (const { name, refused } of FACES) {
    if (refused === undefined) continue
    it(`${name}: the same host takes the mail of a domain without a policy`, async () => {
      const domain = `without-${name}.test`
      await submit(port, domain)
      await postfix.nextMessage(`bob@${domain}`)
      assert.match(await postfix.log(), new RegExp(`postfix/${name}/smtpd\\[\\d+\\]: [0-9A-F]+: client=`))
    })
  }

  /** The first line of the relay's log of this kind about the domain. */
  async function recorded(event: string, domain: string): Promise<Record<string, unknown>> {
    return await until(`${event} of ${domain}`, async () =>
      records.find((one) => one['event'] === event && one['next_hop'] === domain),
    )
  }

  /** What waits, once its first attempt is settled. */
  async function deferred(domain: string): Promise<readonly unknown[]> {
    return await until(`a deferred message for ${domain}`, async () => {
      const messages = await waiting(domain)
      return messages.length > 0 && JSON.stringify(messages).includes('"4.7.') ? messages : undefined
    })
  }

  async function waiting(domain: string): Promise<readonly unknown[]> {
    const out = await hermetic(`${dir}/relay`, 'queue', 'list', '--domain', domain, '--json')
    return out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as unknown]))
  }

  /** The commands of each session that has ended, as Postfix counts them. */
  async function sessionsAt(name: string): Promise<readonly string[]> {
    return await until(`the end of a session at ${name}`, async () => {
      const lines = (await postfix.log()).split('\n').filter((line) => line.includes(`postfix/${name}/smtpd[`))
      const opened = lines.filter((line) => / connect from /.test(line)).length
      const closed = lines.filter((line) => / disconnect from /.test(line))
      return opened > 0 && opened === closed.length ? closed : undefined
    })
  }

  async function until<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
    for (const end = performance.now() + WAIT_MS; ; await sleep(POLL_MS)) {
      const found = await look()
      if (found !== undefined) return found
      assert.ok(performance.now() < end, `${what}\n${relay.output}\n${await postfix.log()}`)
    }
  }
})

async function listener(
  authority: Authority,
  { face, index }: { readonly face: Face; readonly index: number },
): Promise<FurtherListener> {
  const { name, hidesStartTls = false } = face
  const certificate = await face.certificate(authority, `mx.${name}.test`)
  return { name, address: `127.0.0.${10 + index}`, certificate, hidesStartTls }
}

/** One host for all domains, told apart by the name in the request. */
async function policyHost(authority: Authority): Promise<PolicyHost> {
  const { key, chain } = await authority.issue({ names: FACES.map(({ name }) => `mta-sts.${name}.test`) })
  const answer = ({ fields }: PolicyRequest) => {
    const domain = (fields.get('host') ?? '').replace(/^mta-sts\./, '').replace(/:\d+$/, '')
    return { body: policyText({ mode: 'enforce', mx: [`mx.${domain}`] }) }
  }
  return PolicyHost.start({ tls: { key, cert: chain }, answer })
}

function dnsRecords(faces: readonly FurtherListener[], policies: PolicyHost): Record<string, NameRecords> {
  const entries = faces.flatMap(({ name, address }): (readonly [string, NameRecords])[] => [
    [`${name}.test`, { MX: [[10, `mx.${name}.test`]] }],
    [`without-${name}.test`, { MX: [[10, `mx.${name}.test`]] }],
    [`mx.${name}.test`, { A: [address] }],
    [`mta-sts.${name}.test`, { A: [policies.address] }],
    [`_mta-sts.${name}.test`, { TXT: ['v=STSv1; id=1;'] }],
  ])
  return Object.fromEntries(entries)
}

async function submit(port: number, domain: string): Promise<void> {
  const to = `bob@${domain}`
  const args = ['--server', '127.0.0.1', '--port', String(port), '--from', 'app@origin.test', '--to', to]
  await promisify(execFile)('swaks', [...args, '--h-Subject', domain, '--body', 'hello'])
}
