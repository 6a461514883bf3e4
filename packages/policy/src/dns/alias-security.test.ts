/**
 * Aliases and DNSSEC (RFC 7672 §2.1.3) in front of servers that answer one alias at a time, as a resolver may that does
 * not follow them. Real signatures are in `test/interop/dnssec-resolver.test.ts`.
 */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DnsServer, startDnsServer, zone } from '../../../../test/lab/dns-server.ts'
import { parseDomainName } from '../domain-name.ts'
import { createStubResolver } from './stub-resolver.ts'

const SIGNED = { secure: true }
const ZONES = [
  zone(
    {
      'end.signed.test': { A: ['192.0.2.1'] },
      'near.signed.test': { CNAME: 'end.signed.test' },
      'far.signed.test': { CNAME: 'end.plain.test' },
      'around.signed.test': { CNAME: 'into.plain.test' },
      'gone.signed.test': { CNAME: 'nowhere.signed.test' },
    },
    SIGNED,
  ),
  zone({ 'end.plain.test': { A: ['192.0.2.2'] }, 'into.plain.test': { CNAME: 'end.signed.test' } }),
]

let whole: DnsServer
let stepwise: DnsServer

before(async () => {
  whole = await startDnsServer({ zones: ZONES })
  stepwise = await startDnsServer({ zones: ZONES, followAliases: false })
})
beforeEach(() => {
  for (const server of [whole, stepwise]) {
    server.heal('end.signed.test')
    server.forget()
  }
})
after(() => Promise.all([whole.close(), stepwise.close()]))

async function status(server: DnsServer, text: string): Promise<string> {
  const name = parseDomainName(text)
  assert(name.ok)
  const resolver = createStubResolver({ servers: [server], trust: 'ad', timeoutMs: 100, attempts: 1 })
  const answer = await resolver.address(name.value, 4)
  resolver.close()
  if (answer.kind === 'failure') return `failed ${answer.reason.kind}`
  return `${answer.secure ? 'secure' : 'insecure'} ${answer.kind === 'absent' ? answer.reason : answer.records.join()}`
}

const bothWays = async (text: string): Promise<readonly string[]> =>
  Promise.all([status(whole, text), status(stepwise, text)])

describe('RFC 7672 §2.1.3 aliases', () => {
  test('DANE-11: an answer that stops at an alias is followed by a question for its target', async () => {
    covers('DANE-11', { observe: 'dns' })
    assert.equal(await status(stepwise, 'near.signed.test'), 'secure 192.0.2.1')
    assert.deepEqual(
      stepwise.queries.map(({ name, type }) => `${type} ${name}`),
      ['A near.signed.test', 'A end.signed.test'],
    )
  })

  for (const fault of [
    { kind: 'rcode', rcode: 'SERVFAIL' },
    { kind: 'rcode', rcode: 'REFUSED' },
    { kind: 'drop' },
    { kind: 'garbage' },
  ] as const) {
    test(`DANE-12: ${'rcode' in fault ? fault.rcode : fault.kind} behind an alias fails the whole lookup`, async () => {
      covers('DANE-12', { observe: 'dns' })
      stepwise.fail('end.signed.test', fault)
      assert.match(await status(stepwise, 'near.signed.test'), /^failed/)
    })
  }

  for (const [rule, name, expected] of [
    ['every link signed', 'near.signed.test', 'secure 192.0.2.1'],
    ['an unsigned end', 'far.signed.test', 'insecure 192.0.2.2'],
    ['an unsigned beginning', 'into.plain.test', 'insecure 192.0.2.1'],
    ['an unsigned link in the middle', 'around.signed.test', 'insecure 192.0.2.1'],
    ['every link signed, and nothing at the end', 'gone.signed.test', 'secure nxdomain'],
  ] as const) {
    test(`DANE-13: ${rule}: ${expected}, whether the server follows aliases or we do`, async () => {
      covers('DANE-13', { observe: 'dns' })
      assert.deepEqual(await bothWays(name), [expected, expected])
    })
  }
})
