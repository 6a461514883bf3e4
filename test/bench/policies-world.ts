/**
 * Domains with MTA-STS policies for the bench, as many as wanted, each with a policy host of its own address and
 * certificate, because we press no address hard (`egress/target-limits.ts`); and our source of policies, looking at
 * them. DNS and policy hosts are processes of their own. For a network of our own (`lab/own-network.ts`).
 */
import { writeFile } from 'node:fs/promises'
import {
  createStsSource,
  createStubResolver,
  type DomainName,
  fetchPolicy,
  GuardedHttps,
  judgeAddress,
  openSqlitePolicyCache,
  parseCidr,
  parseDomainName,
  type Result,
  type SqlitePolicyCache,
  type StsSource,
} from '@hermetic/policy'
import { type Authority, createAuthority } from '../lab/ca.ts'
import type { NameRecords } from '../lab/dns-server.ts'
import { policyText } from '../lab/sts-world.ts'
import { BenchChild } from './child.ts'
import type { PolicyHostFile } from './policy-hosts.ts'

export interface BenchDomain {
  readonly name: DomainName
  readonly mxHostname: DomainName
  readonly mxAddress: string
  readonly policy: string
}

/** How many of each sort; each sort is contacted for the first time by one part of the bench. */
export interface DomainCounts {
  /** Their policies are put into the cache, not fetched: no policy host answers for them. */
  readonly cached: number
  readonly fetched: number
  readonly withoutPolicy: number
}

export interface PoliciesWorld {
  readonly dir: string
  readonly authority: Authority
  readonly cached: readonly BenchDomain[]
  readonly fetched: readonly BenchDomain[]
  readonly withoutPolicy: readonly BenchDomain[]
}

export interface OpenSource {
  readonly source: StsSource
  readonly cache: SqlitePolicyCache
  close(): void
}

const DNS_ADDRESS = '127.0.0.1'
const CHILD_START_MS = 120_000
/** Mail exchangers are here, their certificates for all of it. */
const MX_ZONE = 'mx.bench.test'

export async function startPoliciesWorld(dir: string, counts: DomainCounts): Promise<PoliciesWorld> {
  const authority = await createAuthority()
  const cached = domains('cached', counts.cached, 64)
  const fetched = domains('fetched', counts.fetched, 128)
  const withoutPolicy = domains('without', counts.withoutPolicy, 192)
  const records: Record<string, NameRecords> = {}
  for (const [index, { name, mxHostname, mxAddress }] of [...cached, ...fetched, ...withoutPolicy].entries()) {
    records[name] = { MX: [[10, mxHostname]] }
    records[mxHostname] = { A: [mxAddress] }
    // Without a policy: a name without TXT records. One that does not exist costs the name server a search of the zone.
    const announced = index < cached.length + fetched.length
    records[`_mta-sts.${name}`] = announced ? { TXT: ['v=STSv1; id=20261122;'] } : {}
  }
  for (const [index, { name }] of fetched.entries()) records[`mta-sts.${name}`] = { A: [address(16, index)] }
  await writeFile(`${dir}/records.json`, JSON.stringify(records))
  await writeFile(`${dir}/policy-hosts.json`, JSON.stringify(await policyHosts(authority, fetched)))
  const dns = startChild('./dns.ts', [DNS_ADDRESS, '53', `${dir}/records.json`])
  const hosts = startChild('./policy-hosts.ts', ['0.0.0.0', '443', `${dir}/policy-hosts.json`])
  await Promise.all([dns, hosts].map((child) => child.next('ready', CHILD_START_MS)))
  return { dir, authority, cached, fetched, withoutPolicy }
}

/** For `ScriptedMx`: a certificate for all of their mail exchangers. */
export async function mxCertificate(authority: Authority): Promise<{ readonly key: string; readonly cert: string }> {
  const { key, chain } = await authority.issue({ names: [`*.${MX_ZONE}`] })
  return { key, cert: chain }
}

/** As a relay has it when it starts: an empty cache of DNS answers, and the `policy.db` of this directory. */
export function openSource({ authority }: PoliciesWorld, dataDir: string): OpenSource {
  const resolver = createStubResolver({ servers: [{ address: DNS_ADDRESS, port: 53 }], trust: 'none' })
  const exceptions = [value(parseCidr('127.0.0.0/8'))]
  const guard = (target: string, port: number) => judgeAddress(target, { exceptions, ownListeners: [], port })
  const https = new GuardedHttps({ resolver, guard, ca: [authority.certificate] })
  const cache = value(openSqlitePolicyCache({ dataDir, now: Date.now }))
  const source = createStsSource({
    ...{ resolver, cache, emit: () => undefined, now: Date.now, random: Math.random },
    fetch: (domain) => fetchPolicy(domain, { https }),
  })
  const close = () => {
    resolver.close()
    cache.close()
  }
  return { source, cache, close }
}

export function value<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error))
  return result.value
}

function domains(sort: string, count: number, block: number): readonly BenchDomain[] {
  return Array.from({ length: count }, (_, index) => {
    const mxHostname = domainName(`${sort}-${index}.${MX_ZONE}`)
    const policy = policyText({ mode: 'enforce', mx: [mxHostname], maxAge: 604_800 })
    return { name: domainName(`${sort}-${index}.test`), mxHostname, mxAddress: address(block, index), policy }
  })
}

/** Addresses of loopback from 127.`block`.0.1 on. */
function address(block: number, index: number): string {
  const host = index + 1
  return `127.${block + Math.floor(host / 65_536)}.${Math.floor(host / 256) % 256}.${host % 256}`
}

async function policyHosts(authority: Authority, of: readonly BenchDomain[]): Promise<readonly PolicyHostFile[]> {
  const hosts: PolicyHostFile[] = []
  for (const { name, policy } of of) {
    const { key, chain } = await authority.issue({ names: [`mta-sts.${name}`] })
    hosts.push({ name: `mta-sts.${name}`, key, chain, policy })
  }
  return hosts
}

function startChild(script: string, args: readonly string[]): BenchChild {
  const child = BenchChild.start(script, { wrap: [], args })
  process.once('exit', () => child.kill())
  return child
}

function domainName(text: string): DomainName {
  return value(parseDomainName(text))
}
