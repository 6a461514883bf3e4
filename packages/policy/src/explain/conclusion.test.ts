/** What becomes of mail, from what delivery decided about each host. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conclusion } from './conclusion.ts'
import { CLEAR, explainFacts, found, host, name, OBSTACLE, peer, route, session, shown } from './explain.fixture.ts'
import type { ExplainFacts, HostFacts } from './facts.ts'

const good = { kind: 'tls', facts: peer() } as const
const permanent = { ...OBSTACLE, permanence: 'permanent' } as const
const forbidden = host({}, { mxHostname: name('other.test') })
const unusable: HostFacts = host({ place: { kind: 'unusable', ...permanent, cause: 'no-address' } })

for (const [rule, facts, kind, says] of [
  ['an enforced policy, not connected', {}, 'deliverable', /goes only to a host that proves its name over TLS\.$/],
  ['no policy, not connected', { hosts: [host({}, { sts: undefined })] }, 'deliverable', /nothing demands it\.$/],
  [
    'our own demand of TLS, not connected',
    { hosts: [host({}, { sts: undefined, local: 'encrypted' })] },
    'deliverable',
    /goes only over TLS; no certificate is demanded\.$/,
  ],
  ['every host is forbidden', { hosts: [forbidden] }, 'refused', /names none of the hosts/],
  ['one of two is forbidden: the other may take it', { hosts: [forbidden, host()] }, 'deliverable', /proves its name/],
  ['a host that proves itself', { connected: true, hosts: [shown(good)] }, 'deliverable', /is delivered to mx\./],
  [
    'the second host is good enough',
    { connected: true, hosts: [shown(CLEAR), shown(good)] },
    'deliverable',
    /is delivered to mx\./,
  ],
  ['a host that does not', { connected: true, hosts: [shown(CLEAR)] }, 'refused', /because STARTTLS is not offered\.$/],
  [
    'none of several does',
    { connected: true, hosts: [shown(CLEAR), shown(CLEAR)] },
    'refused',
    /none of its hosts proves what is demanded; of mx\.example\.test, STARTTLS is not offered\.$/,
  ],
  [
    'testing keeps nothing back',
    { connected: true, hosts: [shown(CLEAR, { sts: found({ mode: 'testing' }) })] },
    'deliverable',
    /it goes without TLS\.$/,
  ],
  [
    'nobody can be reached',
    { connected: true, hosts: [tried({ address: '192.0.2.1', kind: 'no-channel', obstacle: OBSTACLE })] },
    'unreachable',
    /none of its hosts can be reached now\.$/,
  ],
  [
    'everybody turns us away for good',
    { connected: true, hosts: [tried({ address: '192.0.2.1', kind: 'no-channel', obstacle: permanent })] },
    'undeliverable',
    /every host turns us away\.$/,
  ],
  [
    'proven, and then the host breaks off',
    { connected: true, hosts: [tried({ ...judgedGood(), trouble: OBSTACLE })] },
    'unreachable',
    /can be reached now\.$/,
  ],
  [
    'the time was over',
    { connected: true, hosts: [tried({ address: '192.0.2.1', kind: 'not-tried', because: 'deadline' })] },
    'unknown',
    /no host answered in time\.$/,
  ],
  [
    'one is forbidden, the others are silent',
    { connected: true, hosts: [forbidden, tried({ address: '192.0.2.1', kind: 'no-channel', obstacle: OBSTACLE })] },
    'refused',
    /no host that may be used can be reached\.$/,
  ],
  ['no host has an address', { hosts: [unusable] }, 'undeliverable', /nowhere to go: no host has an address\.$/],
  [
    'a host whose address cannot be looked up',
    { hosts: [host({ place: { kind: 'unusable', ...OBSTACLE, cause: 'dns-failure' } })] },
    'unknown',
    /DNS does not say where its hosts are\.$/,
  ],
  ['hosts not looked up in time', { hosts: [host({ place: { kind: 'unanswered' } })] }, 'unknown', /in time\.$/],
  [
    'null MX',
    { route: route({ end: { kind: 'nobody', ...permanent, cause: 'null-mx' } }), hosts: [] },
    'undeliverable',
    /takes no mail: it says so itself/,
  ],
  [
    'a cause without words of its own',
    { route: route({ end: { kind: 'nobody', ...permanent, cause: 'constructor', detail: 'odd' } }), hosts: [] },
    'undeliverable',
    /nowhere to go: odd\.$/,
  ],
  [
    'the policy cannot be known',
    { route: route({ end: { kind: 'nobody', ...OBSTACLE, cause: 'policy-unavailable' } }), hosts: [] },
    'unknown',
    /whether it has a policy cannot be said now\.$/,
  ],
  [
    'no answer at all',
    { route: route({ end: { kind: 'unanswered', afterMs: 25_000 } }), hosts: [] },
    'unknown',
    /no answer within 25 seconds\.$/,
  ],
] as const satisfies readonly (readonly [string, Partial<ExplainFacts>, string, RegExp])[]) {
  test(`${rule}: ${kind}`, () => {
    const { kind: found, sentence } = conclusion(explainFacts(facts))
    assert.equal(found, kind)
    assert.match(sentence, says)
  })
}

function tried(...sessions: readonly ReturnType<typeof session>[]): HostFacts {
  const { place } = host()
  assert.ok(place.kind === 'candidate')
  return host({ place: { ...place, sessions } })
}

function judgedGood() {
  const judged = session(good)
  assert.ok(judged.kind === 'judged')
  return judged
}
