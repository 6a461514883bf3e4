/**
 * Cases collected from other implementations: what a host answers to one recipient or to a step, and what it must be able
 * to do. Not part of this repository: read from `../shared/vectors` beside the checkout when it is there. The rooms
 * run the kinds that concern one file (paths, command lines, LIMITS, dialogues).
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parseDomainName } from '@hermetic/policy'
import { LineScanner } from '../../packages/mta/src/submission/line-scanner.ts'
import { type LineVerdict, WireReader } from '../../packages/mta/src/submission/wire-reader.ts'
import { RelayWorld } from '../lab/relay-world.ts'
import { DEFAULT_CAPABILITIES } from '../lab/scripted-mx.ts'

interface Vector {
  readonly id: string
  readonly kind: string
  readonly input?: string
  readonly expected?: unknown
}

const file = new URL('../../../shared/vectors/smtp_misc.json', import.meta.url)
const vectors: readonly Vector[] = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).cases : []
const skip = vectors.length === 0 && 'no ../shared/vectors beside the checkout'
const of = <T = Vector>(kind: string) =>
  vectors.filter((vector) => vector.kind === kind) as unknown as readonly (Vector & T)[]

const MX = { 'example.test': [[10, 'mx.example.test']] } as const

test('the vectors are there', { skip }, () => assert.ok(vectors.length > 100))

/** What arrives behind DATA, with the checks that the listener puts on every octet; undefined: no end of content. */
async function received(input: string): Promise<string | undefined> {
  let content: Buffer = Buffer.alloc(0)
  let ended: string | undefined
  const scanner = new LineScanner()
  const reader = new WireReader({
    commandLine: (): LineVerdict => 'content',
    faultyLine: (): LineVerdict => 'stop',
    lineOctetsMax: () => 1_000,
    content: (slice) => {
      content = Buffer.concat([content, slice])
    },
    endOfContent: () => {
      ended ??= scanner.scan(content) ?? `content ${content.toString('latin1')}`
      return 'stop'
    },
  })
  await reader.feed(Buffer.from(`DATA\r\n${input}`, 'latin1'), false)
  return ended
}

describe('what arrives behind DATA', () => {
  for (const { id, input = '', expected } of of('data-read')) {
    test(`${id} ${JSON.stringify(input)}`, async () => {
      const { data, error } = expected as { readonly data?: string; readonly error?: string }
      const got = await received(input)
      // The source lets a lone LF pass inside a line; RFC 5321 §2.3.8 does not, and neither do we (D-16).
      if (data?.replaceAll('\r\n', '').includes('\n')) assert.match(got ?? '', /^bare-/)
      else if (data !== undefined) assert.equal(got, `content ${data}`)
      else if (error === 'unexpected-eof') assert.equal(got, undefined)
      else assert.match(got ?? '', /^bare-/)
    })
  }
})

describe('names of hosts and domains', () => {
  for (const { id, input = '', expected } of of('dns-name')) {
    test(`${id} ${JSON.stringify(input)}`, () => {
      const { valid } = expected as { readonly valid: boolean }
      // A mail domain has no final dot (RFC 5321 §4.1.2); the source reads names of DNS too.
      assert.equal(parseDomainName(valid ? input.replace(/\.$/, '') : input).ok, valid)
      if (input.endsWith('.')) assert.equal(parseDomainName(input).ok, false)
    })
  }
})

interface Recipients {
  readonly recipients: number
  readonly pipelining: boolean
  readonly rcpt: readonly number[]
  readonly deliver: string
}

for (const { id, pipelining, rcpt, deliver } of of<Recipients>('multi-rcpt')) {
  test(`${id} RCPT ${rcpt.join(', ')}${pipelining ? ' in a group' : ''}: ${deliver}`, async () => {
    let asked = 0
    const capabilities = pipelining ? DEFAULT_CAPABILITIES : DEFAULT_CAPABILITIES.filter((one) => one !== 'PIPELINING')
    const script = {
      RCPT: () => {
        asked += 1
        return `${rcpt[(asked - 1) % rcpt.length]} said`
      },
    }
    await using world = await RelayWorld.start({ hosts: { 'mx.example.test': { capabilities, script } }, mx: MX })
    const to = rcpt.map((_, index) => `r${index}@example.test`)
    await world.settled(await world.submit({ to }))
    const first = world.mx('mx.example.test').messages[0]?.recipients.map(({ address }) => address) ?? []
    const wanted = deliver === 'all three' ? to : deliver.startsWith('error') ? [] : to.slice(0, 1)
    assert.deepEqual(first, wanted)
    const { failed = 0 } = world.eventsOf('message-settled')[0]?.summary ?? {}
    assert.equal(failed, rcpt.filter((code) => code === 554).length, '452 and 552 wait')
  })
}

const NEEDS = {
  '8BITMIME': { envelope: { body: '8bitmime' }, status: '5.6.3' },
  SMTPUTF8: { envelope: { smtpUtf8: true }, status: '5.6.7' },
  REQUIRETLS: { envelope: { tls: 'requiretls' }, status: /^5\.7\.(?:10|30)$/ },
  SIZE: { envelope: {}, status: '5.3.4' },
} as const

for (const { id, need } of of<{ readonly need: string }>('capability')) {
  test(`${id} ${need}`, async () => {
    const wanted = Object.entries(NEEDS).find(([name]) => name === need)?.[1]
    const host = wanted === undefined ? { tls: 'expired' as const } : { capabilities: ['PIPELINING', 'SIZE 10'] }
    await using world = await RelayWorld.start({ hosts: { 'mx.example.test': host }, mx: MX })
    const id = await world.submit({ to: ['bob@example.test'], envelope: { ...wanted?.envelope } })
    await world.settled(id)
    const { connections, messages } = world.mx('mx.example.test')
    if (wanted === undefined) {
      assert.equal(messages[0]?.inTls, true)
      return
    }
    assert.match(world.failure(id)?.status ?? '', new RegExp(wanted.status))
    assert.ok(!connections.some(({ commands }) => commands.includes('DATA')))
  })
}

interface Stage {
  readonly stage: string
  readonly reply: string
  readonly expected: { readonly action: string; readonly status: string; readonly diagnostic_contains: string }
}

const VERBS = { 'MAIL FROM': 'MAIL', 'RCPT TO': 'RCPT', DATA: 'DOT' } as const

for (const { id, stage, reply, expected } of of<Stage>('dsn')) {
  test(`${id} ${stage} ${reply}`, async () => {
    const verb = Object.entries(VERBS).find(([name]) => name === stage)?.[1] ?? 'DATA'
    await using world = await RelayWorld.start({ hosts: { 'mx.example.test': { script: { [verb]: reply } } }, mx: MX })
    const id = await world.submit({ to: ['bob@example.test'] })
    await world.settled(id)
    const settled = world.eventsOf('message-settled').find((event) => event.id === id)
    const { action, status, diagnostic_contains: said } = expected
    assert.equal(settled?.summary.failed, action === 'failed' ? 1 : 0)
    const problem = settled?.problem
    // A 3yz to MAIL is no SMTP: the host is passed over, and what it said is not a status (SMTP-10).
    if (reply.startsWith('3')) assert.equal(problem?.cause.kind, 'protocol-violation')
    else {
      assert.equal(problem?.status, status)
      assert.ok(problem?.cause.kind === 'reply' && problem.cause.reply.lines.join(' ').includes(said))
    }
  })
}
