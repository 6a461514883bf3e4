/**
 * DANE for SMTP with nothing made up: the relay as operators start it asks a real unbound about really signed zones and
 * delivers to real Postfix hosts, and each domain's mail ends as Table A of the conformance items says. Postfix' log
 * tells what reached its hosts, also where that must be nothing at all.
 */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { DANE_DOMAINS, type DaneDomain, domainOf, type Ending, hostOf, type TlsaChoice } from './dane-domains.ts'
import { DanePostfixLab } from './dane-postfix-lab.ts'
import { type DaneFinding, opensslFinding, postfixFinding } from './dane-probes.ts'

const LEVEL_FINDINGS: Readonly<Record<string, DaneFinding>> = {
  dane: 'authenticated',
  'dane+sts': 'authenticated',
  'dane-insecure-mx': 'authenticated-insecure-mx',
  clear: 'no-starttls',
}
const USABLE: ReadonlySet<TlsaChoice> = new Set(['leaf', 'anchor', 'other'])

describe('DANE, from a signed zone to a real Postfix', () => {
  let lab: DanePostfixLab
  let waiting: readonly string[]

  before(async () => {
    lab = await DanePostfixLab.start()
    await lab.deliverToAll()
    waiting = await lab.waiting()
  })

  after(async () => {
    await lab?.[Symbol.asyncDispose]()
  })

  for (const domain of DANE_DOMAINS) it(titleOf(domain), () => ENDS[domain.ends.kind](domain))

  const ENDS: { readonly [K in Ending['kind']]: (domain: DaneDomain) => Promise<void> } = {
    delivered: async (domain) => {
      assert.ok(domain.ends.kind === 'delivered')
      const { level, demanded, told } = domain.ends
      const message = await lab.postfix.nextMessage(`bob@${domainOf(domain)}`)
      const record = await lab.logged('attempt-finished', domainOf(domain))
      const { result, mx_hostname, tls_verdict, tls_requirement, tls_result = '' } = record
      assert.deepEqual(
        { result, mx_hostname, tls_verdict, tls_requirement, tls_result },
        {
          result: 'delivered',
          mx_hostname: hostOf(domain),
          tls_verdict: level,
          tls_requirement: demanded,
          tls_result: told,
        },
      )
      assert.equal(/using TLSv1\.[23] with cipher/.test(message), level !== 'clear', message)
      assert.deepEqual(waitingFor(domain), [])
    },
    refused: async (domain) => {
      assert.ok(domain.ends.kind === 'refused')
      const { status, because } = domain.ends
      assert.match(JSON.stringify(await lab.logged('session-failed', domainOf(domain))), because)
      assertWaits(domain, status)
      for (const session of await lab.sessionsAt(domain.name)) {
        assert.match(session, / ehlo=/, 'Postfix saw us')
        assert.doesNotMatch(session, / (?:mail|rcpt|data)=/, session)
      }
    },
    'not-contacted': async (domain) => {
      assert.ok(domain.ends.kind === 'not-contacted')
      const { status, because } = domain.ends
      assert.match(JSON.stringify(await lab.logged('next-hop-failed', domainOf(domain))), because)
      assertWaits(domain, status)
      assert.deepEqual(await lab.face(domain.name), [], 'nobody connected')
    },
  }

  for (const domain of DANE_DOMAINS.filter(isJudgedByUs)) {
    it(`${domain.name}: posttls-finger finds what the relay found`, async () => {
      assert.equal(await postfixFinding(lab, lab.host(domain.name)), await relayFinding(domain))
    })
  }

  for (const domain of DANE_DOMAINS.filter(({ ends, tlsa }) => ends.kind !== 'not-contacted' && USABLE.has(tlsa))) {
    it(`${domain.name}: openssl s_client, told the record, finds what the relay found`, async () => {
      const ours = await relayFinding(domain)
      // It is not told how the host was found.
      const expected = ours === 'authenticated-insecure-mx' ? 'authenticated' : ours
      assert.equal(await opensslFinding(lab, lab.host(domain.name)), expected)
    })
  }

  /** As the relay's log has it. */
  async function relayFinding(domain: DaneDomain): Promise<DaneFinding> {
    switch (domain.ends.kind) {
      case 'delivered': {
        const { tls_verdict: level } = await lab.logged('attempt-finished', domainOf(domain))
        return LEVEL_FINDINGS[String(level)] ?? 'unauthenticated'
      }
      case 'refused': {
        const said = JSON.stringify(await lab.logged('session-failed', domainOf(domain)))
        if (said.includes('starttls-not-offered')) return 'no-starttls'
        return said.includes('tlsa-mismatch') ? 'mismatch' : 'authenticated'
      }
      case 'not-contacted':
        await lab.logged('next-hop-failed', domainOf(domain))
        return 'lookup-failed'
    }
  }

  function assertWaits(domain: DaneDomain, status: string): void {
    const [message = '', ...others] = waitingFor(domain)
    assert.deepEqual(others, [])
    assert.ok(message.includes(`"${status}"`), message)
  }

  function waitingFor(domain: DaneDomain): readonly string[] {
    return waiting.filter((line) => line.includes(`"mx:${domainOf(domain)}:`))
  }
})

/**
 * A host that an MTA-STS policy forbids is never asked about DANE by the relay; Postfix knows no MTA-STS. What the operator
 * requires does not change what is found. What only a policy refuses is nothing that Postfix would find either.
 */
function isJudgedByUs({ policy, tlsa, required, ends }: DaneDomain): boolean {
  const isRefusedByPolicy = policy?.mode === 'enforce' && tlsa === 'none' && ends.kind === 'refused'
  return policy?.mx !== 'another' && !isRefusedByPolicy && !(required && ends.kind === 'not-contacted')
}

function titleOf({ name, ends }: DaneDomain): string {
  switch (ends.kind) {
    case 'delivered':
      return `${name}: delivered, proven by ${ends.level}`
    case 'refused':
      return `${name}: a connection, no mail on it, and ${ends.status}`
    case 'not-contacted':
      return `${name}: not even a connection, and ${ends.status}`
  }
}
