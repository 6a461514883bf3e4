/** What the remedy says: for the owner of a domain, or for whoever wrote a route; and never to open a port that answers. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { addresses, explainFacts, host, MX, name, OBSTACLE } from './explain.fixture.ts'
import type { ExplainFacts, HostFacts } from './facts.ts'
import { mxAdvice } from './mx-advice.ts'

const SMARTHOST = {
  ...{ kind: 'smarthost', lane: 'route:mx.example.test:587', host: MX, end: { kind: 'hosts' } },
} as const satisfies ExplainFacts['route']

function unreached(cause: string): HostFacts {
  const { place } = host()
  assert.ok(place.kind === 'candidate')
  const obstacle = { ...OBSTACLE, cause, detail: `${cause}: greeting` }
  return host({ place: { ...place, sessions: [{ kind: 'no-channel', address: '192.0.2.1', obstacle }] } })
}

function remedies(...hosts: readonly HostFacts[]): string {
  return mxAdvice(explainFacts({ connected: true, hosts }))
    .map(({ remedy }) => remedy)
    .join('\n')
}

function smarthostRemedies(...hosts: readonly HostFacts[]): string {
  return mxAdvice(explainFacts({ connected: true, hosts, route: SMARTHOST }))
    .map(({ remedy }) => remedy)
    .join('\n')
}

describe('a host that cannot be used', () => {
  test('is told to open its port where nobody answers, and only there', () => {
    assert.match(remedies(unreached('connect-failed')), /open port 25/)
    assert.match(remedies(unreached('timeout')), /open port 25/)
    assert.doesNotMatch(remedies(unreached('reply'), unreached('protocol-violation')), /open port/)
  })

  test('that greets with a refusal, or with something else than SMTP, is told that', () => {
    assert.match(remedies(unreached('reply')), /answers and refuses/)
    assert.match(remedies(unreached('protocol-violation')), /answer in SMTP/)
  })

  test('as a smarthost is nothing that MX records or port 25 could mend', () => {
    const absent = host({ addresses: { kind: 'absent', reason: 'nxdomain', secure: false, ttlSeconds: 300 } })
    const alias = host({ addresses: addresses({ canonicalName: name('real.provider.test') }) })
    const told = smarthostRemedies(absent, alias, unreached('connect-failed'))
    assert.match(told, /Correct the host of the route/)
    assert.match(told, /Compare host, port and tls of the route/)
    assert.doesNotMatch(told, /MX record|port 25/)
  })
})
