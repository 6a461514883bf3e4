/**
 * A small world in a network namespace of its own, made by `mta-sts-resolver.test.ts`: a name server on port 53, policy
 * hosts on port 443, Debian's mta-sts-daemon, and our source of policies. Asks both about every domain and writes what
 * they think, as JSON. Argument: a directory that goes with the test.
 */
import {
  createStsSource,
  createStubResolver,
  type DomainName,
  fetchPolicy,
  GuardedHttps,
  judgeAddress,
  matchesMx,
  openSqlitePolicyCache,
  parseCidr,
  parseDomainName,
  type StsSource,
} from '@hermetic/policy'
import { createAuthority } from '../lab/ca.ts'
import { type NameRecords, startDnsServer, zone } from '../lab/dns-server.ts'
import { certificateFor } from '../lab/policy-certificates.ts'
import { PolicyHost } from '../lab/policy-host.ts'
import { MtaStsDaemon } from './mta-sts-daemon.ts'
import { DOMAINS, GOOD_RECORD, type PublishedDomain, policy } from './mta-sts-domains.ts'

export interface Opinions {
  readonly domain: string
  readonly ours: string
  readonly theirs: string
  /** Requests at the policy host. */
  readonly fetches: { readonly ours: number; readonly theirs: number }
}

const LOOPBACK = '127.0.0.1'
const HTTPS_PORT = 443
const PROBES: readonly (readonly [word: string, labels: string])[] = [
  ['mx', 'mx.'],
  ['a', 'a.'],
  ['a.b', 'a.b.'],
  ['@', ''],
]
/** `cache_grace: 0`: asks DNS each time, as we do when told to. */
const PEER_SETTINGS = `cache_grace: 0
cache: { type: internal }
default_zone: { strict_testing: false }
zones: { strict: { strict_testing: true } }
`

const [dir = ''] = process.argv.slice(2)
const records: Record<string, NameRecords> = {}
const hosts = new Map<string, PolicyHost>()
const authority = await createAuthority()

for (const [index, domain] of DOMAINS.entries()) await publish(domain, `127.0.1.${index + 1}`)
const dns = await startDnsServer({ address: LOOPBACK, port: 53, zones: [zone(records)] })
const source = openSource()
const peer = await startPeer()

const opinions: Opinions[] = []
for (const domain of DOMAINS) opinions.push(await ask(domain))
process.stdout.write(JSON.stringify(opinions))
peer.stop()
process.exit(0)

async function publish({ name, ...published }: PublishedDomain, freeAddress: string): Promise<void> {
  const address = published.address ?? freeAddress
  const tls = await certificateFor(`mta-sts.${name}`, published.certificate ?? 'good', authority)
  const answer = published.answer ?? { body: policy(name) }
  hosts.set(name, await PolicyHost.start({ address, port: HTTPS_PORT, tls, answer }))
  records[`mta-sts.${name}`] = { A: [address] }
  const { record = GOOD_RECORD } = published
  if (record !== null) records[`_mta-sts.${name}`] = record
  Object.assign(records, published.records)
}

async function ask(domain: PublishedDomain): Promise<Opinions> {
  const { name, afterwards, twice = false } = domain
  let [ours, theirs] = [await ourOpinion(name), await peer.opinion(name)]
  if (afterwards !== undefined || twice) {
    if (afterwards !== undefined) change(name, afterwards)
    ;[ours, theirs] = [await ourOpinion(name), await peer.opinion(name)]
  }
  const requests = hosts.get(name)?.requests ?? []
  const peers = requests.filter(({ fields }) => fields.get('user-agent') === 'postfix-mta-sts-resolver').length
  return { domain: name, ours, theirs, fetches: { ours: requests.length - peers, theirs: peers } }
}

function change(name: string, { record, answer, dns: fault }: NonNullable<PublishedDomain['afterwards']>): void {
  const host = hosts.get(name)
  if (answer !== undefined && host !== undefined) host.answer = answer
  if (record === null) delete records[`_mta-sts.${name}`]
  else if (record !== undefined) records[`_mta-sts.${name}`] = record
  dns.serve(zone(records))
  if (fault === 'fails') dns.fail(`_mta-sts.${name}`, { kind: 'rcode', rcode: 'SERVFAIL' })
}

function openSource(): StsSource {
  const exceptions = [value(parseCidr('127.0.0.0/8'))]
  const resolver = createStubResolver({ servers: [{ address: LOOPBACK, port: dns.port }], trust: 'none' })
  const guard = (address: string, port: number) => judgeAddress(address, { exceptions, ownListeners: [], port })
  const https = new GuardedHttps({ resolver, guard, ca: [authority.certificate] })
  return createStsSource({
    ...{ resolver, cache: value(openSqlitePolicyCache({ dataDir: dir, now: Date.now })) },
    ...{ emit: () => undefined, now: Date.now, random: Math.random },
    fetch: (domain) => fetchPolicy(domain, { https }),
  })
}

async function ourOpinion(name: string): Promise<string> {
  const facts = await source.policyFor(domainName(name), { afresh: true })
  if (facts.kind !== 'policy') return facts.kind
  return opinion(facts.mode, (host) => matchesMx(domainName(host + name), facts.policy.mx) !== undefined)
}

async function startPeer(): Promise<{ opinion(name: string): Promise<string>; stop(): void }> {
  const daemon = await MtaStsDaemon.start({ dir, authority: authority.certificate, settings: PEER_SETTINGS })
  const client = await daemon.client()
  const ask = async (map: string, name: string) => postfixPatterns(await client.ask(map, name))
  return {
    /** Only the strict map tells of policies that are in testing. */
    async opinion(name) {
      const [enforced, strict] = [await ask('default', name), await ask('strict', name)]
      const patterns = enforced ?? strict
      if (patterns === undefined) return 'none'
      return opinion(enforced === undefined ? 'testing' : 'enforce', (host) => isMeant(host + name, patterns))
    },
    stop: () => daemon.kill(),
  }
}

/** `OK secure match=mx.example.com:.example.com servername=hostname`: names that Postfix accepts. */
function postfixPatterns(reply: string): readonly string[] | undefined {
  if (/^NOTFOUND\b/.test(reply)) return undefined
  const [, patterns] = /^OK secure match=(\S+)(?: servername=hostname)?$/.exec(reply) ?? []
  if (patterns === undefined) throw new Error(`mta-sts-daemon says: ${reply}`)
  return patterns.split(':')
}

/** postconf(5), smtp_tls_secure_cert_match: a leading dot means every name below, at any depth. */
function isMeant(host: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => (pattern.startsWith('.') ? host.endsWith(pattern) : host === pattern))
}

function opinion(mode: string, mayGetMail: (host: string) => boolean): string {
  const words = PROBES.filter(([, labels]) => mayGetMail(labels)).map(([word]) => word)
  return `${mode}: ${words.join(' ')}`
}

function domainName(text: string): DomainName {
  return value(parseDomainName(text))
}

function value<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}
