/** Answers over real DNS, a real policy host and `policy.db`, all on loopback, with one clock that the test moves. */
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { NameRecords } from '../../../../test/lab/dns-server.ts'
import { createDaneSource } from '../dane/source.ts'
import { PUBLISHED } from '../decision.fixture.ts'
import { createStubResolver } from '../dns/stub-resolver.ts'
import { policyText, SourceBed } from '../mta-sts/source.fixture.ts'
import { type AnswerOptions, createSocketmapAnswers, type SocketmapAnswers } from './answers.ts'
import type { SocketmapEvent } from './events.ts'

export class AnswersBed {
  readonly sources: SourceBed
  readonly answers: SocketmapAnswers
  readonly events: SocketmapEvent[] = []

  static async start(t: TestContext, options: Partial<AnswerOptions> = {}): Promise<AnswersBed> {
    return new AnswersBed(await SourceBed.start(t), t, options)
  }

  private constructor(sources: SourceBed, t: TestContext, options: Partial<AnswerOptions>) {
    this.sources = sources
    const resolver = createStubResolver({
      ...{ servers: [sources.dns], trust: 'ad', timeoutMs: 500, attempts: 1 },
      now: () => sources.now,
    })
    t.after(() => resolver.close())
    this.answers = createSocketmapAnswers({
      ...{ resolver, zones: [], random: () => 0 },
      sts: { policyFor: (domain, how) => sources.source.policyFor(domain, how) },
      dane: createDaneSource({ resolver, insecureMx: 'use' }),
      now: () => sources.now,
      monotonic: () => sources.now,
      emit: (event) => this.events.push(event),
      ...options,
    })
  }

  /** Without the netstring around it. */
  async ask(request: string): Promise<string> {
    const { wire } = await this.answers.answer(Buffer.from(request))
    const [, text] = /^[0-9]+:(.*),$/s.exec(wire.toString()) ?? []
    assert(text !== undefined, 'a netstring')
    return text
  }

  publish(records: Readonly<Record<string, NameRecords>>): void {
    this.sources.publish(records)
  }

  async policy(domain: string, mode: 'enforce' | 'testing' | 'none', mx: string): Promise<void> {
    this.sources.record(domain, '1')
    await this.sources.host(domain, { answer: { body: policyText(mode, { mx }) } })
  }

  /** How often DNS was asked for this. */
  asked(type: string, name: string): number {
    return this.sources.dns.queries.filter((query) => query.type === type && query.name === name).length
  }
}

export const tlsa: NameRecords = {
  TLSA: [{ ...PUBLISHED, data: PUBLISHED.associationData }],
  secure: true,
}

/** A domain with hosts, all of it signed or nothing. */
export function signedHosts(domain: string, ...hosts: readonly string[]): Readonly<Record<string, NameRecords>> {
  return hostsOf(domain, { hosts, secure: true })
}

export function plainHosts(domain: string, ...hosts: readonly string[]): Readonly<Record<string, NameRecords>> {
  return hostsOf(domain, { hosts, secure: false })
}

function hostsOf(domain: string, { hosts, secure }: { readonly hosts: readonly string[]; readonly secure: boolean }) {
  const MX = hosts.map((host, index) => [10 * (index + 1), host] as const)
  const addresses = hosts.map((host) => [host, { A: ['127.0.0.1'], secure, ttl: 60 }] as const)
  return { [domain]: { MX, secure, ttl: 60 }, ...Object.fromEntries(addresses) }
}
