/**
 * How many decisions and first contacts a second, and what one costs: the measuring of `policies.ts`, for our source of
 * policies and for the daemon of postfix-mta-sts-resolver, which is asked over its socketmap as Postfix would.
 */
import { readFileSync } from 'node:fs'
import { parsePolicyFile, tlsRequirement } from '@hermetic/policy'
import type { SocketmapClient } from '../interop/socketmap-client.ts'
import { type BenchDomain, type OpenSource, value } from './policies-world.ts'
import { percentile } from './statistics.ts'

export interface Rate {
  readonly what: string
  readonly times: number
  readonly atOnce: number
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Of whoever answers, not of DNS and policy hosts. */
  readonly cpuMsEach: number
}

export interface RateOptions {
  readonly what: string
  readonly atOnce: number
  /** Seconds of CPU that the answering process has used so far. */
  readonly cpuSeconds: () => number
}

/** `getconf CLK_TCK` of every Linux that Node runs on. */
const TICKS_PER_SECOND = 100

/** Asks once for each, in order, so many at once. */
export async function rateOf<T>(
  all: readonly T[],
  { what, atOnce, cpuSeconds }: RateOptions,
  ask: (one: T, asker: number) => Promise<void>,
): Promise<Rate> {
  const latencies: number[] = []
  let next = 0
  const asker = async (_: unknown, number: number): Promise<void> => {
    for (let one = all[next++]; one !== undefined; one = all[next++]) {
      const startedAt = performance.now()
      await ask(one, number)
      latencies.push(performance.now() - startedAt)
    }
  }
  const cpuBefore = cpuSeconds()
  const startedAt = performance.now()
  await Promise.all(Array.from({ length: atOnce }, asker))
  const seconds = (performance.now() - startedAt) / 1_000
  return {
    ...{ what, times: all.length, atOnce },
    perSecond: all.length / seconds,
    p50Ms: percentile(latencies, 0.5),
    p99Ms: percentile(latencies, 0.99),
    cpuMsEach: ((cpuSeconds() - cpuBefore) * 1_000) / all.length,
  }
}

/** What delivery asks for each host: the policy of the domain, and what the host must prove. */
export function decision({ source }: OpenSource, from: 'cache' | 'fresh') {
  return async ({ name, mxHostname }: BenchDomain): Promise<void> => {
    const sts = await source.policyFor(name)
    if (sts.kind !== 'policy' || sts.from !== from) throw new Error(`${name}: ${JSON.stringify(sts)}`)
    const requirement = tlsRequirement({ local: 'nothing', sts, mxHostname })
    if (requirement.kind !== 'prove' || !requirement.pkix) throw new Error(`${name}: nothing is demanded`)
  }
}

export async function fillCache({ cache }: OpenSource, domains: readonly BenchDomain[]): Promise<void> {
  const fetchedAt = Date.now()
  for (const { name, policy } of domains) {
    const entry = { policy: value(parsePolicyFile(Buffer.from(policy))), id: '20261122', fetchedAt }
    await cache.put(name, { ...entry, refreshAt: fetchedAt + 86_400_000 })
  }
}

export function reply(clients: readonly SocketmapClient[]) {
  return async ({ name }: BenchDomain, asker: number): Promise<void> => {
    const said = await clients[asker]?.ask('default', name)
    if (said?.startsWith('OK secure ') !== true) throw new Error(`${name}: ${said}`)
  }
}

export function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** proc_pid_stat(5): utime and stime, in clock ticks. */
export function cpuSecondsOf({ pid }: { readonly pid: number }): () => number {
  return () => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  }
}
