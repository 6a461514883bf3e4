/** RFC 8460 §4.3.2.2, RFC 8461 §6: policies that could not be had, as reports count them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Renewed } from '@hermetic/policy'
import { countRefreshes, countRenewals } from '../../packages/mta/src/wiring/tlsrpt-side.ts'
import { covers } from '../conformance/covers.ts'
import { DOMAIN, MX } from '../lab/dane-world.ts'
import { type CertificateVariant, certificateFor } from '../lab/policy-certificates.ts'
import type { PolicyAnswer } from '../lab/policy-host.ts'
import { domainName } from '../lab/policy-host-world.ts'
import { ReportWorld } from '../lab/report-world.ts'
import { type PolicyOptions, policyText } from '../lab/sts-world.ts'
import { labAuthority } from '../lab/world-host.ts'

const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX] }
const NONE: PolicyOptions = { mode: 'none' }
const POLICY_DOMAIN = domainName(DOMAIN)
const NPF = 'no-policy-found: 1 good'
const stsRecord = (...texts: readonly string[]) => ({ [`_mta-sts.${DOMAIN}`]: { TXT: [...texts] } })

function start(policy: PolicyOptions = ENFORCE): Promise<ReportWorld> {
  return ReportWorld.start({ tlsa: 'none', policy })
}

/** First contact with a policy host that answers this. */
async function firstContact(answer: PolicyAnswer): Promise<readonly string[]> {
  await using world = await start()
  world.sts.policyHost(DOMAIN).answer = answer
  await world.sts.send(DOMAIN)
  assert.equal(world.mx(MX).messages.length, 1, 'delivered without a policy')
  return world.sums()
}

describe('RPT-49: sts-policy-fetch-error', () => {
  for (const [what, answer, reason] of [
    ['not 200', { status: 404 }, 'status-404'],
    ['a redirect', { status: 301, fields: { Location: 'https://other.test/' } }, 'status-301'],
    ['too large', { body: 'x'.repeat(70_000) }, 'too-large'],
    ['a media type', { fields: { 'Content-Type': 'text/html' }, body: policyText(ENFORCE) }, 'media-type'],
    ['cut short', { body: policyText(ENFORCE), fields: { 'Content-Length': '500' }, afterwards: 'end' }, 'truncated'],
  ] as const satisfies readonly (readonly [string, PolicyAnswer, string])[]) {
    test(`${what}: counted once, with its reason, beside the session`, async () => {
      covers('RPT-49', { observe: 'https' })
      assert.deepEqual(await firstContact(answer), [`sts: 1 failed (sts-policy-fetch-error: ${reason})`, NPF])
    })
  }

  test('a policy host that has no address', async () => {
    covers('RPT-49', { observe: 'https' })
    await using world = await start()
    world.sts.serve({ [`mta-sts.${DOMAIN}`]: {} })
    await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), ['sts: 1 failed (sts-policy-fetch-error: no-address)', NPF])
    assert.equal(world.sts.policyHost(DOMAIN).connections, 0)
  })
})

test('RPT-50: a document that is no policy is sts-policy-invalid', async () => {
  covers('RPT-50', { observe: 'https' })
  assert.deepEqual(await firstContact({ body: 'version: STSv1\nmode: enforce\nmax_age: 86400\n' }), [
    'sts: 1 failed (sts-policy-invalid: policy-missing-field)',
    NPF,
  ])
})

describe('RPT-51: sts-webpki-invalid is the policy host, never the mail host', () => {
  for (const [variant, reason] of [
    ['expired', 'webpki-expired'],
    ['unknown-authority', 'webpki-untrusted'],
    ['wrong-name', 'webpki-name'],
  ] as const satisfies readonly (readonly [CertificateVariant, string])[]) {
    test(variant, async () => {
      covers('RPT-51', { observe: 'https' })
      await using world = await start()
      const host = world.sts.policyHost(DOMAIN)
      host.tls = await certificateFor(`mta-sts.${DOMAIN}`, variant, await labAuthority())
      await world.sts.send(DOMAIN)
      assert.deepEqual(await world.sums(), [`sts: 1 failed (sts-webpki-invalid: ${reason})`, NPF])
    })
  }
})

test('RPT-53: mail within the pause after a failed fetch does not count it again', async () => {
  covers('RPT-53', { observe: 'store' })
  await using world = await start()
  world.sts.policyHost(DOMAIN).answer = { status: 500 }
  for (let number = 0; number < 20; number += 1) await world.sts.send(DOMAIN)
  assert.equal(world.sts.policyHost(DOMAIN).requests.length, 1)
  assert.equal((await world.sums())[0], 'sts: 1 failed (sts-policy-fetch-error: status-500)')
})

describe('RPT-54: without a record that announces a policy there is no failed fetch', () => {
  for (const [what, texts] of [
    ['absent', []],
    ['two records', ['v=STSv1; id=1', 'v=STSv1; id=2']],
    ['invalid', ['v=STSv1;']],
  ] as const) {
    test(what, async () => {
      covers('RPT-54', { observe: 'dns' })
      await using world = await start()
      world.sts.serve(texts.length === 0 ? { [`_mta-sts.${DOMAIN}`]: {} } : stsRecord(...texts))
      await world.sts.send(DOMAIN)
      assert.deepEqual(await world.sums(), [NPF])
      assert.equal(world.sts.policyHost(DOMAIN).connections, 0)
    })
  }
})

describe('RPT-55: while the cached policy is none', () => {
  test('neither sessions nor a dead policy host are failures', async () => {
    covers('RPT-55', { observe: 'https' })
    await using world = await start(NONE)
    await world.sts.send(DOMAIN)
    const host = world.sts.policyHost(DOMAIN)
    host.answer = { status: 500 }
    await refresh(world)
    await world.sts.send(DOMAIN)
    assert.deepEqual(await world.sums(), ['no-policy-found: 1 good'])
    assert.equal(host.requests.length, 2)
  })

  test('a new id whose policy cannot be had is one', async () => {
    covers('RPT-55', { observe: 'https' })
    await using world = await start(NONE)
    await world.sts.send(DOMAIN)
    world.sts.policyHost(DOMAIN).answer = { status: 500 }
    world.sts.serve(stsRecord('v=STSv1; id=2'))
    assert.equal((await renew(world)).kind, 'failed')
    assert.deepEqual(await world.sums(), ['sts: 1 failed (sts-policy-fetch-error: status-500)', NPF])
  })
})

describe('STS-110: while a policy is cached', () => {
  const CACHED = { 'policy-type': 'sts', 'policy-string': lines(ENFORCE), 'policy-domain': DOMAIN, 'mx-host': [MX] }

  test('a refresh that fails is a failure of the policy that stays, whatever sessions said', async () => {
    covers('STS-110', { observe: 'store' })
    await using world = await start()
    await world.sts.send(DOMAIN)
    world.sts.policyHost(DOMAIN).answer = { status: 503 }
    await refresh(world)
    assert.deepEqual(await world.sums(), ['sts: 1 good, 1 failed (sts-policy-fetch-error: status-503)'])
    assert.deepEqual((await world.entries())?.[0]?.policy, CACHED)
  })

  test('a record in trouble is one as well, in each refresh', async () => {
    covers('STS-110', { observe: 'store' })
    await using world = await start()
    await world.sts.send(DOMAIN)
    world.sts.serve({ [`_mta-sts.${DOMAIN}`]: {} })
    await renew(world)
    await refresh(world)
    assert.deepEqual(await world.sums(), ['sts: 1 good, 1 failed (sts-policy-fetch-error: txt-missing)'])
    assert.deepEqual((await world.entries())?.[0]?.policy, CACHED)
  })

  test('what an operator fetches by hand in vain is counted once', async () => {
    covers('STS-110', { observe: 'store' })
    await using world = await start()
    await world.sts.send(DOMAIN)
    world.sts.policyHost(DOMAIN).answer = { body: 'nonsense' }
    const renewed = await renew(world)
    assert.ok(renewed.kind === 'failed' && renewed.uncounted === undefined)
    assert.deepEqual(await world.sums(), ['sts: 1 good, 1 failed (sts-policy-invalid: policy-malformed-line)'])
  })

  test('a session that fails and the fetch that was to cure it are two failures', async () => {
    covers('STS-110', { observe: 'store' })
    await using world = await ReportWorld.start({ tlsa: 'none', policy: ENFORCE, host: { tls: 'expired' } })
    world.sts.policyHost(DOMAIN).answer = ({ target }) => {
      const first = world.sts.policyHost(DOMAIN).requests.length === 1
      return first ? { body: policyText(ENFORCE) } : { status: 410, body: target }
    }
    await world.sts.send(DOMAIN)
    await world.sts.fetched(2)
    await world.sts.relay.delivery.close()
    assert.deepEqual(await world.sums(), [
      'sts: 2 failed (certificate-expired x 1, sts-policy-fetch-error: status-410 x 1)',
    ])
  })
})

/** As the refresher of the relay does it, without its timer. */
async function refresh(world: ReportWorld): Promise<void> {
  const { source, relay } = world.sts
  countRefreshes(relay.deliveryOptions.reports)(POLICY_DOMAIN, await source.refresh(POLICY_DOMAIN))
}

/** `hermetic policy refresh`. */
function renew({ sts: { source, relay } }: ReportWorld): Promise<Renewed> {
  return countRenewals(source, relay.deliveryOptions.reports).renew(POLICY_DOMAIN)
}

function lines(policy: PolicyOptions): readonly string[] {
  return policyText(policy).trimEnd().split('\n')
}
