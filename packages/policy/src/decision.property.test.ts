/**
 * What must hold of the decision whatever the facts are: a stronger policy never yields weaker TLS, `require` only adds,
 * and what lowers or only observes changes nothing but what it says.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { DaneAuthentication, DaneFacts } from './dane/facts.ts'
import {
  authenticated,
  byInsecureMx,
  byRoute,
  bySecureMx,
  DANE,
  domain,
  expired,
  matched,
  mismatched,
  mxHostname,
  named,
  noMatch,
  policy,
  tls,
  trusted,
  unnamed,
  withoutMx,
} from './decision.fixture.ts'
import { overridesInForce, type PolicyOverride } from './override.ts'
import { type RequirementFacts, tlsRequirement, type Unreachable } from './requirement.ts'
import { type SessionResult, sessionResults } from './session-result.ts'
import { type Channel, type ClearBecause, judge, type Refused } from './verdict.ts'

const local = fc.constantFrom('nothing', 'encrypted', 'pkix', 'dane')
const sts = fc.constantFrom(
  ...[undefined, named('testing'), unnamed('testing'), named('enforce'), unnamed('enforce')],
  { ...named('enforce'), preloaded: true } as const,
)
const dane = fc.constantFrom<DaneFacts | undefined>(undefined, ...Object.values(DANE))
const origin = fc.constantFrom(undefined, bySecureMx, byInsecureMx, withoutMx, byRoute)
const message = fc.constantFrom('default', 'requiretls', 'tls-optional')
const enforcement = fc.constantFrom('enforce', 'observe')
const overrides = fc.record({
  required: fc.subarray(['encrypted', 'pkix', 'dane'] as const),
  waived: fc.subarray(['mta-sts', 'dane'] as const),
})
const anyFacts: fc.Arbitrary<RequirementFacts> = fc.record({
  ...{ local, sts, dane, origin, message, enforcement, overrides },
  mxHostname: fc.constantFrom(mxHostname, undefined),
  stsUncertain: fc.boolean(),
})

const because = fc.constantFrom<ClearBecause>('starttls-not-offered', 'starttls-refused', 'handshake-failed')
const anyChannel: fc.Arbitrary<Channel> = fc.oneof(
  because.map((because) => ({ kind: 'clear', because }) as const),
  fc
    .tuple(
      fc.constantFrom(trusted, expired),
      fc.constantFrom(matched, mismatched, { kind: 'not-asked' } as const),
      fc.constantFrom<DaneAuthentication>(authenticated, noMatch),
    )
    .map(([pkix, name, compared]) => tls(pkix, name, compared)),
)

/** What one host comes to, contacted or not. */
function evaluate(facts: RequirementFacts, channel: Channel) {
  const requirement = tlsRequirement(facts)
  if (requirement.kind === 'unreachable') return { passes: false, refused: requirement.reasons, requirement } as const
  const verdict = judge(requirement, channel)
  if (verdict.kind === 'failed') return { passes: false, refused: verdict.reasons, requirement } as const
  return { passes: true, refused: [], verdict, requirement } as const
}

const passes = (facts: RequirementFacts, channel: Channel): boolean => evaluate(facts, channel).passes

/** Whether what passes under the second facts passes under the first. */
function neverWeaker(stronger: RequirementFacts, weaker: RequirementFacts, channel: Channel): void {
  assert(passes(weaker, channel) || !passes(stronger, channel))
}

describe('a stronger policy never yields weaker TLS', () => {
  test('what MTA-STS enforce lets pass, testing and no policy let pass, whatever else is known', () => {
    const patterns = fc.subarray(['mx.example.test', '*.example.test', 'other.test', '*.mx.example.test'], {
      minLength: 1,
    })
    fc.assert(
      fc.property(anyFacts, patterns, anyChannel, (facts, mx, channel) => {
        const under = (mode: 'testing' | 'enforce') => ({ ...facts, sts: policy(mode, ...mx) })
        neverWeaker(under('enforce'), under('testing'), channel)
        // A testing policy is evidence for a REQUIRETLS name, and so may let pass what nothing else does (D-10).
        if (facts.message !== 'requiretls') {
          assert.equal(passes(under('testing'), channel), passes({ ...facts, sts: undefined }, channel))
        }
      }),
    )
  })

  test('what usable TLSA records let pass, unusable ones and none let pass; a failed lookup lets nothing pass', () => {
    fc.assert(
      fc.property(anyFacts, anyChannel, fc.boolean(), (facts, channel, mxSecure) => {
        const suffix = mxSecure ? '' : '-insecure-mx'
        const under = (state: 'usable' | 'unusable' | 'absent' | 'failure') => {
          const key = state === 'usable' || state === 'unusable' ? (`${state}${suffix}` as const) : state
          return { ...facts, dane: DANE[key] }
        }
        // Usable records may prove what is demanded by REQUIRETLS or by the operator: they are evidence too.
        const evidence = facts.message === 'requiretls' || asksForDane(facts)
        if (!evidence) {
          neverWeaker(under('usable'), under('unusable'), channel)
          neverWeaker(under('unusable'), under('absent'), channel)
        }
        neverWeaker(under('failure'), under('usable'), channel)
        const ignored = facts.message === 'tls-optional' || facts.enforcement === 'observe'
        const waived = facts.overrides?.waived.includes('dane')
        if (!ignored && !waived) assert.equal(passes(under('failure'), channel), false)
      }),
    )
  })

  test('PKIX never makes up for TLSA records that do not match, nor TLSA for an enforced policy', () => {
    fc.assert(
      fc.property(anyFacts, anyChannel, (facts, channel) => {
        const enforced: RequirementFacts = {
          ...{
            ...facts,
            mxHostname,
            message: 'default',
            enforcement: 'enforce',
            sts: named('enforce'),
            dane: DANE.usable,
          },
          overrides: { required: facts.overrides?.required ?? [], waived: [] },
        }
        const good =
          channel.kind === 'tls' &&
          channel.dane?.kind === 'authenticated' &&
          channel.facts.pkix.kind === 'trusted' &&
          channel.facts.name.kind === 'matched'
        assert.equal(passes(enforced, channel), good)
      }),
    )
  })
})

function asksForDane({ local, overrides }: RequirementFacts): boolean {
  return local === 'dane' || (overrides?.required.includes('dane') ?? false)
}

describe('the operator', () => {
  test('require only adds: what passes with it passes without it', () => {
    fc.assert(
      fc.property(anyFacts, anyChannel, (facts, channel) => {
        const waived = facts.overrides?.waived ?? []
        neverWeaker(facts, { ...facts, overrides: { required: [], waived } }, channel)
        neverWeaker(facts, { ...facts, local: 'nothing' }, channel)
      }),
    )
  })

  test('a waived policy demands nothing and leaves every other demand in force', () => {
    fc.assert(
      fc.property(anyFacts, anyChannel, (facts, channel) => {
        const required = facts.overrides?.required ?? []
        const under = (waived: readonly ('mta-sts' | 'dane')[]) => ({ ...facts, overrides: { required, waived } })
        // REQUIRETLS and required DANE take TLSA as a proof: without it they may ask for another.
        if (facts.message === 'requiretls' || asksForDane(facts)) return
        neverWeaker(under([]), under(['mta-sts']), channel)
        assert.equal(passes(under(['mta-sts']), channel), passes({ ...under([]), sts: undefined }, channel))
        assert.equal(passes(under(['dane']), channel), passes({ ...under([]), dane: undefined }, channel))
      }),
    )
  })

  test('what is written for one domain changes nothing for another', () => {
    const other = domain('other.test')
    const override = fc.oneof(
      fc.record({
        kind: fc.constant('require' as const),
        domain: fc.constant(other),
        demand: fc.constantFrom('encrypted' as const, 'pkix' as const, 'dane' as const),
      }),
      fc.record({
        kind: fc.constant('waive' as const),
        domain: fc.constant(other),
        mechanisms: fc.constantFrom(['dane'] as const, ['mta-sts', 'dane'] as const),
        until: fc.constantFrom(0, 2),
        ...{ reason: fc.constant(''), author: fc.constant('') },
      }),
      fc.record({
        kind: fc.constant('enforcement' as const),
        domain: fc.constant(other),
        enforcement: fc.constantFrom('observe' as const, 'enforce' as const),
      }),
    )
    fc.assert(
      fc.property(fc.array<PolicyOverride>(override), fc.array<PolicyOverride>(override), (before, after) => {
        const mine = { kind: 'require', domain: mxHostname, demand: 'pkix' } as const
        const question = { domain: mxHostname, now: 1 }
        assert.deepEqual(overridesInForce([...before, mine, ...after], question), overridesInForce([mine], question))
      }),
    )
  })
})

describe('observing', () => {
  const observable = anyFacts
    .filter(({ message, origin }) => message === 'default' && origin?.kind !== 'route')
    .map(
      (facts): RequirementFacts => ({
        ...facts,
        local: 'nothing',
        overrides: { required: [], waived: facts.overrides?.waived ?? [] },
      }),
    )

  test('refuses nothing, and says what enforcing would have refused, for the same reasons', () => {
    fc.assert(
      fc.property(observable, anyChannel, (facts, channel) => {
        const enforced = evaluate({ ...facts, enforcement: 'enforce' }, channel)
        const observed = evaluate({ ...facts, enforcement: 'observe' }, channel)
        assert(observed.passes)
        const would: readonly Refused[] = observed.verdict?.wouldHaveRefused ?? []
        if (enforced.requirement.kind === 'unreachable') {
          // The host was contacted, so there may be more to say than why it would not have been.
          assert.deepEqual(would.slice(0, enforced.refused.length), enforced.refused)
        } else {
          assert.deepEqual(would, enforced.refused)
        }
      }),
    )
  })

  test('reports what enforcing would have reported', () => {
    fc.assert(
      fc.property(observable, anyChannel, (facts, channel) => {
        const enforced = tlsRequirement({ ...facts, enforcement: 'enforce' })
        const observed = tlsRequirement({ ...facts, enforcement: 'observe' })
        assert(observed.kind === 'prove')
        if (enforced.kind === 'prove') {
          assert.deepEqual(sessionResults(observed, channel), sessionResults(enforced, channel))
        } else {
          assert(failures(sessionResults(observed, channel)) >= countedReasons(enforced))
        }
      }),
    )
  })

  test('never softens what the operator or REQUIRETLS demands, nor anything of a route', () => {
    fc.assert(
      fc.property(anyFacts, anyChannel, (facts, channel) => {
        const under = (enforcement: 'enforce' | 'observe') => passes({ ...facts, enforcement }, channel)
        if (facts.message === 'requiretls' || facts.origin?.kind === 'route')
          assert.equal(under('observe'), under('enforce'))
        const nothingPublished = { ...facts, sts: undefined, dane: undefined }
        // REQUIRETLS takes TLSA as a proof: without it, it asks for another.
        if (!asksForDane(facts) && facts.message !== 'requiretls') {
          neverWeaker({ ...facts, enforcement: 'observe' }, { ...nothingPublished, enforcement: 'enforce' }, channel)
        }
      }),
    )
  })
})

function failures(results: readonly SessionResult[]): number {
  return results.filter(({ outcome }) => outcome.kind === 'failure').length
}

function countedReasons({ reasons }: Unreachable): number {
  return reasons.filter((reason) => reason.kind !== 'sts-mx-mismatch' || !reason.sts.preloaded).length
}

describe('a sender', () => {
  test('with REQUIRETLS never gets less than without', () => {
    fc.assert(
      fc.property(anyFacts, anyChannel, (facts, channel) => {
        neverWeaker({ ...facts, message: 'requiretls' }, { ...facts, message: 'default' }, channel)
      }),
    )
  })

  test('with TLS-Required: No is refused by the operator only', () => {
    fc.assert(
      fc.property(anyFacts, anyChannel, (facts, channel) => {
        const optional = { ...facts, message: 'tls-optional' } as const
        neverWeaker({ ...facts, message: 'default' }, optional, channel)
        if (asksForDane(facts)) return
        const published = { sts: undefined, dane: undefined }
        assert.equal(passes(optional, channel), passes({ ...optional, ...published }, channel))
      }),
    )
  })
})
