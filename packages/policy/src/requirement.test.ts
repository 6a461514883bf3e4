import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { LEVELS } from './channel-level.ts'
import {
  authenticated,
  byInsecureMx,
  byRoute,
  bySecureMx,
  DANE,
  mxHostname,
  named,
  PUBLISHED,
  RECORD,
  tls,
  UNUSABLE,
  unnamed,
  withoutMx,
} from './decision.fixture.ts'
import {
  type LocalDemand,
  type PolicyInForce,
  type Requirement,
  type RequirementFacts,
  tlsRequirement,
} from './requirement.ts'
import {
  DANE_DEMANDS,
  type Demands,
  FORCE,
  LOCAL_DEMANDS,
  NOTHING,
  REQUIRETLS_DEMANDS,
  REQUIRETLS_ENDS,
  STS_DEMANDS,
} from './requirement-tables.ts'
import { requireTlsFailure } from './requiretls.ts'
import { judge } from './verdict.ts'

const LOCAL: readonly LocalDemand[] = ['nothing', 'encrypted', 'pkix']

/** What is demanded, in a word; refusals by their kinds. */
function words(requirement: Requirement): string {
  if (requirement.kind === 'unreachable') return requirement.reasons.map(({ kind }) => kind).join(' ')
  const { observed } = requirement
  if (observed === undefined) return demandWords(requirement)
  const refusals = observed.unreachable.map(({ kind }) => kind)
  return [demandWords(requirement), 'observed', demandWords(observed), ...refusals].join(' ')
}

function demandWords({ floor, pkix, tlsa }: Demands): string {
  const proofs = [...(pkix ? ['pkix'] : []), ...(tlsa ? ['tlsa'] : [])]
  if (floor === 'opportunistic') return ['any', ...proofs].join('+')
  return proofs.length === 0 ? 'encrypted' : proofs.join('+')
}

type Row = readonly [situation: string, facts: Partial<RequirementFacts>, demanded: string]

const BY_LOCAL: readonly Row[] = [
  ['nothing', { local: 'nothing' }, 'any'],
  ['encryption', { local: 'encrypted' }, 'encrypted'],
  ['PKIX', { local: 'pkix' }, 'pkix'],
  ['DANE, usable', { local: 'dane', dane: DANE.usable }, 'tlsa'],
  ['DANE, nobody asked', { local: 'dane' }, 'dane-required'],
  ['encryption, of an address', { local: 'encrypted', mxHostname: undefined }, 'encrypted'],
]

const policies = { named: named('enforce'), unnamed: unnamed('enforce') }
const strongest = (local: LocalDemand, other: 'encrypted' | 'tlsa'): string => {
  if (local === 'pkix') return other === 'tlsa' ? 'pkix+tlsa' : 'pkix'
  return other
}
const alone = { nothing: 'any', encrypted: 'encrypted', pkix: 'pkix', dane: 'dane-required' }

const BY_STS: readonly Row[] = LOCAL.flatMap((local): readonly Row[] => [
  [`${local}; enforce, named`, { local, sts: policies.named }, 'pkix'],
  [`${local}; enforce, not named`, { local, sts: policies.unnamed }, 'sts-mx-mismatch'],
  [`${local}; testing, named`, { local, sts: named('testing') }, alone[local]],
  [`${local}; testing, not named`, { local, sts: unnamed('testing') }, alone[local]],
  [`${local}; enforce, known by address only`, { local, sts: policies.named, mxHostname: undefined }, alone[local]],
])

const BY_DANE: readonly Row[] = [
  ...LOCAL.flatMap((local): readonly Row[] => [
    [`${local}; usable`, { local, dane: DANE.usable }, strongest(local, 'tlsa')],
    [`${local}; usable behind an insecure MX`, { local, dane: DANE['usable-insecure-mx'] }, strongest(local, 'tlsa')],
    [`${local}; unusable`, { local, dane: DANE.unusable }, strongest(local, 'encrypted')],
    [
      `${local}; unusable behind an insecure MX`,
      { local, dane: DANE['unusable-insecure-mx'] },
      strongest(local, 'encrypted'),
    ],
    [`${local}; denied`, { local, dane: DANE.absent }, alone[local]],
    [`${local}; lookup failed`, { local, dane: DANE.failure }, 'tlsa-lookup-failed'],
  ]),
  ['enforce, named; usable', { sts: policies.named, dane: DANE.usable }, 'pkix+tlsa'],
  ['enforce, named; unusable', { sts: policies.named, dane: DANE.unusable }, 'pkix'],
  ['enforce, named; lookup failed', { sts: policies.named, dane: DANE.failure }, 'tlsa-lookup-failed'],
  [
    'enforce, not named; lookup failed',
    { sts: policies.unnamed, dane: DANE.failure },
    'sts-mx-mismatch tlsa-lookup-failed',
  ],
]

const observe = { enforcement: 'observe' } as const
const required = { required: ['dane'], waived: [] } as const
const BY_MANDATORY_DANE: readonly Row[] = [
  ['usable', { dane: DANE.usable, overrides: required }, 'tlsa'],
  ['usable behind an insecure MX', { dane: DANE['usable-insecure-mx'], overrides: required }, 'dane-required'],
  ['unusable', { dane: DANE.unusable, overrides: required }, 'tlsa-invalid'],
  ['unusable behind an insecure MX', { dane: DANE['unusable-insecure-mx'], overrides: required }, 'dane-required'],
  ['denied', { dane: DANE.absent, overrides: required }, 'dane-required'],
  ['lookup failed', { dane: DANE.failure, overrides: required }, 'tlsa-lookup-failed'],
  [
    'usable, observed: the demand is ours',
    { dane: DANE.usable, overrides: required, ...observe },
    'tlsa observed tlsa',
  ],
  ['denied, observed', { dane: DANE.absent, overrides: required, ...observe }, 'dane-required'],
  ['lookup failed, observed', { dane: DANE.failure, overrides: required, ...observe }, 'tlsa-lookup-failed'],
]

const requiretls = { message: 'requiretls' } as const
const BY_SENDER: readonly Row[] = [
  ['secure MX', { ...requiretls, origin: bySecureMx }, 'pkix'],
  ['secure MX; usable', { ...requiretls, origin: bySecureMx, dane: DANE.usable }, 'tlsa'],
  ['secure MX; unusable', { ...requiretls, origin: bySecureMx, dane: DANE.unusable }, 'pkix'],
  ['no MX', { ...requiretls, origin: withoutMx }, 'pkix'],
  ['a route', { ...requiretls, origin: byRoute }, 'pkix'],
  ['insecure MX', { ...requiretls, origin: byInsecureMx }, 'requiretls-name-unproven'],
  ['nothing is known of the way', requiretls, 'requiretls-name-unproven'],
  [
    'insecure MX; usable',
    { ...requiretls, origin: byInsecureMx, dane: DANE['usable-insecure-mx'] },
    'requiretls-name-unproven',
  ],
  ['insecure MX; enforce, named', { ...requiretls, origin: byInsecureMx, sts: policies.named }, 'pkix'],
  ['insecure MX; testing, named', { ...requiretls, origin: byInsecureMx, sts: named('testing') }, 'pkix'],
  [
    'insecure MX; testing, not named',
    { ...requiretls, origin: byInsecureMx, sts: unnamed('testing') },
    'requiretls-name-unproven',
  ],
  [
    'insecure MX; enforce, not named',
    { ...requiretls, origin: byInsecureMx, sts: policies.unnamed },
    'requiretls-name-unproven sts-mx-mismatch',
  ],
  [
    'insecure MX; named by the preload list only',
    { ...requiretls, origin: byInsecureMx, sts: { ...policies.named, preloaded: true } },
    'requiretls-name-unproven',
  ],
  [
    'insecure MX; enforce, named; usable: either proof would do, the policy wants both',
    { ...requiretls, origin: byInsecureMx, sts: policies.named, dane: DANE['usable-insecure-mx'] },
    'pkix+tlsa',
  ],
  ['secure MX; DANE required and absent', { ...requiretls, origin: bySecureMx, local: 'dane' }, 'dane-required'],
]

const optional = { message: 'tls-optional' } as const
const both = { sts: policies.named, dane: DANE.usable }
const BY_FORCE: readonly Row[] = [
  ['default, enforce', both, 'pkix+tlsa'],
  ['default, observe', { ...both, ...observe }, 'any observed pkix+tlsa'],
  ['default, observe, local demand', { ...both, ...observe, local: 'encrypted' }, 'encrypted observed pkix+tlsa'],
  ['default, observe, nothing published', observe, 'any observed any'],
  [
    'default, observe, would not be contacted',
    { ...observe, sts: policies.unnamed, dane: DANE.failure },
    'any observed any sts-mx-mismatch tlsa-lookup-failed',
  ],
  ['default, observe, a route', { ...both, ...observe, origin: byRoute }, 'pkix+tlsa'],
  ['REQUIRETLS, enforce', { ...both, ...requiretls, origin: bySecureMx }, 'pkix+tlsa'],
  ['REQUIRETLS, observe', { ...both, ...requiretls, ...observe, origin: bySecureMx }, 'pkix+tlsa'],
  ['TLS-Required: No, enforce', { ...both, ...optional }, 'any'],
  ['TLS-Required: No, observe', { ...both, ...optional, ...observe }, 'any'],
  ['TLS-Required: No, not named, lookup failed', { ...optional, sts: policies.unnamed, dane: DANE.failure }, 'any'],
  ['TLS-Required: No, the operator demands PKIX', { ...optional, local: 'pkix' }, 'pkix'],
  ['TLS-Required: No, the operator demands DANE', { ...optional, local: 'dane', dane: DANE.unusable }, 'tlsa-invalid'],
]

const waive = (...waived: readonly ('mta-sts' | 'dane')[]) => ({ overrides: { required: [], waived } }) as const
const BY_OVERRIDE: readonly Row[] = [
  ['MTA-STS waived', { ...both, ...waive('mta-sts') }, 'tlsa'],
  ['DANE waived', { ...both, ...waive('dane') }, 'pkix'],
  ['both waived', { ...both, ...waive('mta-sts', 'dane') }, 'any'],
  [
    'both waived, lookup failed, not named',
    { sts: policies.unnamed, dane: DANE.failure, ...waive('mta-sts', 'dane') },
    'any',
  ],
  ['DANE waived, a local demand', { ...both, local: 'pkix', ...waive('dane') }, 'pkix'],
  ['encryption required', { overrides: { required: ['encrypted'], waived: [] } }, 'encrypted'],
  [
    'PKIX required, of a host with TLSA',
    { dane: DANE.usable, overrides: { required: ['pkix'], waived: [] } },
    'pkix+tlsa',
  ],
  [
    'DANE waived: REQUIRETLS falls back to PKIX',
    { ...requiretls, origin: bySecureMx, dane: DANE.usable, ...waive('dane') },
    'pkix',
  ],
  [
    'MTA-STS waived: its policy still proves a name',
    { ...requiretls, origin: byInsecureMx, sts: policies.named, ...waive('mta-sts') },
    'pkix',
  ],
]

const smarthost = { local: 'proven-host', origin: byRoute } as const
const BY_SMARTHOST: readonly Row[] = [
  ['no TLSA', { ...smarthost, dane: DANE.absent }, 'pkix'],
  ['nobody asked', smarthost, 'pkix'],
  ['usable: in place of PKIX', { ...smarthost, dane: DANE.usable }, 'tlsa'],
  ['unusable', { ...smarthost, dane: DANE.unusable }, 'pkix'],
  ['usable behind an insecure MX: beside PKIX', { ...smarthost, dane: DANE['usable-insecure-mx'] }, 'pkix+tlsa'],
  ['unusable behind an insecure MX', { ...smarthost, dane: DANE['unusable-insecure-mx'] }, 'pkix'],
  ['lookup failed', { ...smarthost, dane: DANE.failure }, 'tlsa-lookup-failed'],
  ['usable; its own policy enforces', { ...smarthost, dane: DANE.usable, sts: policies.named }, 'pkix+tlsa'],
  ['usable; observed elsewhere', { ...smarthost, dane: DANE.usable, ...observe }, 'tlsa'],
  ['usable; DANE waived', { ...smarthost, dane: DANE.usable, ...waive('dane') }, 'pkix'],
  ['lookup failed; DANE waived', { ...smarthost, dane: DANE.failure, ...waive('dane') }, 'pkix'],
  ['usable; TLS-Required: No', { ...smarthost, dane: DANE.usable, ...optional }, 'tlsa'],
  ['unusable; TLS-Required: No', { ...smarthost, dane: DANE.unusable, ...optional }, 'pkix'],
  ['lookup failed; TLS-Required: No', { ...smarthost, dane: DANE.failure, ...optional }, 'pkix'],
  ['known by address only', { ...smarthost, mxHostname: undefined }, 'pkix'],
]

const TABLES: Readonly<Record<string, readonly Row[]>> = {
  'RFC 4954 §14, RFC 8314 §5.3: what a smarthost must prove': BY_SMARTHOST,
  'RFC 3207 §6: what we demand ourselves': BY_LOCAL,
  'RFC 8461 §5: what the MTA-STS policy demands': BY_STS,
  'RFC 7672 §2.2: what TLSA records demand': BY_DANE,
  'RFC 7672 §6: mandatory DANE': BY_MANDATORY_DANE,
  'RFC 8689 §4.2.1: what REQUIRETLS demands': BY_SENDER,
  'what force published policies have': BY_FORCE,
  'what overrides change': BY_OVERRIDE,
}

function requirementOf(facts: Partial<RequirementFacts>): Requirement {
  return tlsRequirement({ local: 'nothing', mxHostname, ...facts })
}

for (const [title, rows] of Object.entries(TABLES)) {
  describe(title, () => {
    for (const [situation, facts, demanded] of rows) {
      test(`${situation}: ${demanded}`, () => assert.equal(words(requirementOf(facts)), demanded))
    }
  })
}

describe('what a requirement carries', () => {
  const proof = (facts: Partial<RequirementFacts>) => {
    const requirement = requirementOf(facts)
    assert(requirement.kind === 'prove')
    return requirement
  }

  test('the pattern that names the host, the mode and the id of the policy', () => {
    assert.deepEqual(proof({ sts: policies.named }).sts, {
      mode: 'enforce',
      id: '20261001',
      matched: '*.example.test',
    })
    assert.deepEqual(proof({ sts: unnamed('testing') }).sts, { mode: 'testing', id: '20261001', matched: undefined })
  })

  test('that a policy comes from the preload list', () => {
    assert.equal(proof({ sts: { ...policies.named, preloaded: true } }).sts?.preloaded, true)
  })

  test('DANE-90: the same TLSA records in another order are the same requirement, other records are not', () => {
    const other = { ...RECORD, associationData: new Uint8Array(32).fill(9) }
    const rrset = (
      usable: readonly (typeof RECORD)[],
      published: readonly [typeof PUBLISHED, ...(typeof PUBLISHED)[]],
    ) => proof({ dane: { ...DANE.usable, usable, published } })
    const one = rrset([RECORD, other], [PUBLISHED, UNUSABLE])
    assert.deepEqual(rrset([other, RECORD], [UNUSABLE, PUBLISHED]), one)
    assert.notDeepEqual(rrset([RECORD], [PUBLISHED, UNUSABLE]), one)
    assert.notDeepEqual(rrset([RECORD, RECORD], [PUBLISHED, UNUSABLE]), one)
    assert.deepEqual(proof({ dane: { ...DANE.usable, ttlSeconds: 1 } }), proof({ dane: DANE.usable }))
  })

  test('what the sender asked for, and nothing when it asked for nothing', () => {
    assert.equal('message' in proof({ message: 'default' }), false)
    assert.equal(proof({ ...requiretls, origin: bySecureMx }).message, 'requiretls')
    assert.equal(proof(optional).message, 'tls-optional')
  })

  test('waived mechanisms that had something to say, and no others', () => {
    assert.deepEqual(proof({ ...both, ...waive('mta-sts', 'dane') }).waived, ['mta-sts', 'dane'])
    assert.deepEqual(proof({ sts: policies.named, dane: DANE.absent, ...waive('mta-sts', 'dane') }).waived, ['mta-sts'])
    assert.deepEqual(proof({ dane: DANE.failure, ...waive('dane') }).waived, ['dane'])
    assert.equal('waived' in proof(waive('mta-sts', 'dane')), false)
  })

  test('the failed lookup, the reason why DANE is absent, the records that cannot be used', () => {
    const reasons = (facts: Partial<RequirementFacts>) => {
      const requirement = requirementOf(facts)
      return requirement.kind === 'unreachable' ? requirement.reasons : []
    }
    assert.deepEqual(reasons({ dane: DANE.failure }), [{ kind: 'tlsa-lookup-failed', failure: DANE.failure }])
    const dane = { kind: 'dane-required', host: mxHostname }
    assert.deepEqual(reasons({ local: 'dane', dane: DANE.absent }), [{ ...dane, because: 'no-tlsa' }])
    assert.deepEqual(reasons({ local: 'dane' }), [{ ...dane, because: 'off' }])
    assert.deepEqual(reasons({ local: 'dane', dane: DANE['usable-insecure-mx'] }), [
      { ...dane, because: 'insecure-mx' },
    ])
    const [invalid] = reasons({ local: 'dane', dane: DANE.unusable })
    assert.deepEqual(invalid?.kind === 'tlsa-invalid' && invalid.dane.published, [UNUSABLE])
    const unproven = { ...requiretls, origin: byInsecureMx }
    assert.deepEqual(reasons(unproven), [{ kind: 'requiretls-name-unproven', uncertain: false }])
    assert.deepEqual(reasons({ ...unproven, stsUncertain: true }), [
      { kind: 'requiretls-name-unproven', uncertain: true },
    ])
  })
})

/** Cells of other tables that these rows notice too, for the mutation run is one for all. */
function endsAndLevels(): readonly unknown[] {
  const dane = { kind: 'none', because: 'no-tlsa', ttlSeconds: 1 } as const
  const unreachable = (facts: Partial<RequirementFacts>) => {
    const requirement = requirementOf(facts)
    return requirement.kind === 'unreachable' ? requireTlsFailure(requirement).kind : 'prove'
  }
  const level = (facts: Partial<RequirementFacts>, channel = tls()) => {
    const requirement = requirementOf({ enforcement: 'observe', ...facts })
    if (requirement.kind === 'unreachable') return 'unreachable'
    const verdict = judge(requirement, channel)
    return verdict.kind === 'proven' ? verdict.level : 'failed'
  }
  const modes: readonly (PolicyInForce | undefined)[] = [undefined, named('testing'), named('enforce')]
  return [
    unreachable({ sts: policies.unnamed }),
    unreachable({ dane: DANE.failure }),
    unreachable({ local: 'dane', dane }),
    unreachable({ local: 'dane', dane: DANE.unusable }),
    ...modes.map((sts) => level({ sts })),
    ...modes.map((sts) => level({ sts, dane: DANE.usable }, tls(undefined, undefined, authenticated))),
    ...modes.map((sts) => level({ sts, dane: DANE['usable-insecure-mx'] }, tls(undefined, undefined, authenticated))),
  ]
}

const ENDS_AND_LEVELS = [
  ...['definitive', 'transient', 'transient', 'transient'],
  ...['encrypted', 'sts', 'sts'],
  ...['dane', 'dane+sts', 'dane+sts'],
  ...['dane-insecure-mx', 'dane-insecure-mx', 'dane-insecure-mx+sts'],
]

test('how a host ends for REQUIRETLS, and the level of a channel, as the tables say', () => {
  assert.deepEqual(endsAndLevels(), ENDS_AND_LEVELS)
})

describe('mutation', () => {
  test('a change of any single cell of the tables is noticed by a row', (t) => {
    const contents = {
      demands: [
        NOTHING,
        LOCAL_DEMANDS.encrypted,
        LOCAL_DEMANDS.pkix,
        STS_DEMANDS.enforce.named,
        DANE_DEMANDS.usable.published,
      ],
      refusals: ['sts-mx-mismatch', 'tlsa-lookup-failed', 'dane-required', 'tlsa-invalid', 'requiretls-name-unproven'],
    }
    const cells = [...contents.demands, ...contents.refusals]
    const tables: readonly (readonly [string, object, readonly unknown[]])[] = [
      ['LOCAL_DEMANDS', LOCAL_DEMANDS, cells],
      ['STS_DEMANDS', STS_DEMANDS, cells],
      ['DANE_DEMANDS', DANE_DEMANDS, cells],
      ['REQUIRETLS_DEMANDS', REQUIRETLS_DEMANDS, cells],
      ['FORCE', FORCE, ['enforced', 'observed', 'ignored']],
      ['REQUIRETLS_ENDS', REQUIRETLS_ENDS, ['definitive', 'transient']],
      ['LEVELS', LEVELS, [undefined, ...Object.values(LEVELS).flatMap((row) => Object.values(row))]],
    ]
    assert.equal(isNoticed(), false)
    let changed = 0
    const survivors: string[] = []
    for (const [name, table, others] of tables) {
      for (const mutant of mutants(name, table, others)) {
        changed += 1
        const restore = mutant.apply()
        if (!isNoticed()) survivors.push(mutant.name)
        restore()
      }
    }
    assert.equal(isNoticed(), false)
    t.diagnostic(`${changed} changed cells, ${changed - survivors.length} noticed`)
    assert.deepEqual(survivors, [])
  })
})

function isNoticed(): boolean {
  const rows = Object.values(TABLES).flat()
  try {
    return (
      rows.some(([, facts, demanded]) => words(requirementOf(facts)) !== demanded) ||
      JSON.stringify(endsAndLevels()) !== JSON.stringify(ENDS_AND_LEVELS)
    )
  } catch {
    // A cell that makes no sense where it stands is noticed as well.
    return true
  }
}

interface Mutant {
  readonly name: string
  /** Returns what puts the cell back. */
  readonly apply: () => () => void
}

/** Every cell of a table, each changed to every other content. */
function mutants(path: string, table: object, others: readonly unknown[]): readonly Mutant[] {
  return Object.entries(table).flatMap(([key, cell]: [string, unknown]) => {
    const name = `${path}.${key}`
    if (isTable(cell)) return mutants(name, cell, others)
    return [...new Set(others)]
      .filter((other) => JSON.stringify(other) !== JSON.stringify(cell))
      .map((other) => ({
        name: `${name} changed to ${JSON.stringify(other)}`,
        apply: () => {
          Reflect.set(table, key, other)
          return () => Reflect.set(table, key, cell)
        },
      }))
  })
}

function isTable(cell: unknown): cell is object {
  return typeof cell === 'object' && cell !== null && !('floor' in cell)
}
