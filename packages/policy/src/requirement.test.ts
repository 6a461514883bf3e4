import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { type DomainName, parseDomainName } from './domain-name.ts'
import { type MxPattern, parseMxPattern } from './mta-sts/mx-match.ts'
import type { NameFact, PkixFact } from './peer-facts.ts'
import {
  type EffectiveMode,
  type LocalDemand,
  type PolicyInForce,
  type Requirement,
  type RequirementFacts,
  tlsRequirement,
} from './requirement.ts'
import { type Channel, type ClearBecause, judge } from './verdict.ts'

const mxHostname = domain('mx.example.test')
const LOCAL: readonly LocalDemand[] = ['nothing', 'encrypted', 'pkix']

function domain(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok)
  return parsed.value
}

function pattern(text: string): MxPattern {
  const parsed = parseMxPattern(text)
  assert(parsed !== undefined)
  return parsed
}

const policy = (mode: EffectiveMode, ...mx: readonly string[]): PolicyInForce => ({
  mode,
  id: '20261001',
  policy: { mx: mx.map(pattern) },
})
const named = (mode: EffectiveMode) => policy(mode, 'other.test', '*.example.test')
const unnamed = (mode: EffectiveMode) => policy(mode, 'other.test', '*.mx.example.test')

const PLAIN = {
  nothing: { kind: 'prove', pkix: false, floor: 'opportunistic' },
  encrypted: { kind: 'prove', pkix: false, floor: 'encrypted' },
  pkix: { kind: 'prove', pkix: true, floor: 'encrypted' },
} as const satisfies Record<LocalDemand, Requirement>
const matched = (mode: EffectiveMode) => ({ mode, id: '20261001', matched: '*.example.test' })
const missed = (mode: EffectiveMode) => ({ mode, id: '20261001', matched: undefined })
const FORBIDDEN: Requirement = { kind: 'unreachable', because: 'sts-mx-mismatch', sts: missed('enforce') }

type Row = readonly [
  situation: string,
  facts: Omit<RequirementFacts, 'local'>,
  demanded: (local: LocalDemand) => Requirement,
]

const ROWS: readonly Row[] = [
  ['no policy', { mxHostname }, (local) => PLAIN[local]],
  ['enforce, named', { sts: named('enforce'), mxHostname }, () => ({ ...PLAIN.pkix, sts: matched('enforce') })],
  ['enforce, not named', { sts: unnamed('enforce'), mxHostname }, () => FORBIDDEN],
  ['testing, named', { sts: named('testing'), mxHostname }, (local) => ({ ...PLAIN[local], sts: matched('testing') })],
  [
    'testing, not named',
    { sts: unnamed('testing'), mxHostname },
    (local) => ({ ...PLAIN[local], sts: missed('testing') }),
  ],
  ['enforce, known by address only', { sts: named('enforce') }, (local) => PLAIN[local]],
]

describe('RFC 8461 §5: what is demanded of one candidate host', () => {
  for (const [situation, facts, demanded] of ROWS) {
    for (const local of LOCAL) {
      test(`${situation}; ${local} by local policy`, () => {
        assert.deepEqual(tlsRequirement({ local, ...facts }), demanded(local))
      })
    }
  }

  test('a change of any single cell of the tables is noticed by a row', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'requirement-'))
    t.after(() => rmSync(folder, { recursive: true }))
    const load = async (name: string, source: string): Promise<typeof tlsRequirement> => {
      const path = join(folder, `${name}.mts`)
      writeFileSync(path, source.replaceAll("from './", `from '${new URL('.', import.meta.url).href}`))
      return (await import(path)).tlsRequirement
    }
    assert.equal(isNoticed(await load('unchanged', SOURCE)), false)
    const all = mutants()
    assert.equal(all.length, 17)
    const survivors: string[] = []
    for (const [index, { name, source }] of all.entries()) {
      if (!isNoticed(await load(`mutant-${index}`, source))) survivors.push(name)
    }
    t.diagnostic(`${all.length} changed cells, ${all.length - survivors.length} noticed`)
    assert.deepEqual(survivors, [])
  })
})

function isNoticed(decide: typeof tlsRequirement): boolean {
  return ROWS.some(([, facts, demanded]) =>
    LOCAL.some((local) => !isDeepStrictEqual(decide({ local, ...facts }), demanded(local))),
  )
}

const SOURCE = readFileSync(new URL('requirement.ts', import.meta.url), 'utf8')
const TABLES = SOURCE.indexOf('const DEMANDS')
const FLIPS: Readonly<Record<string, readonly string[]>> = {
  'pkix: true': ['pkix: false'],
  'pkix: false': ['pkix: true'],
  "floor: 'encrypted'": ["floor: 'opportunistic'"],
  "floor: 'opportunistic'": ["floor: 'encrypted'"],
  "unnamed: 'unreachable'": ['unnamed: DEMANDS.nothing', 'unnamed: DEMANDS.encrypted', 'unnamed: DEMANDS.pkix'],
  'named: DEMANDS.nothing': ['named: DEMANDS.encrypted', 'named: DEMANDS.pkix', "named: 'unreachable'"],
}

/** Every cell of both tables, changed to every other content. */
function mutants(): readonly { readonly name: string; readonly source: string }[] {
  const cells = Object.keys(FLIPS).join('|')
  return [...SOURCE.slice(TABLES).matchAll(new RegExp(cells, 'g'))].flatMap(({ 0: cell, index }) =>
    (FLIPS[cell] ?? []).map((other) => ({
      name: `${cell} at ${TABLES + index} changed to ${other}`,
      source: SOURCE.slice(0, TABLES + index) + other + SOURCE.slice(TABLES + index + cell.length),
    })),
  )
}

describe('a stronger policy never yields weaker TLS', () => {
  const clear: readonly ClearBecause[] = ['starttls-not-offered', 'starttls-refused', 'handshake-failed']
  const pkix = fc.constantFrom<PkixFact>({ kind: 'trusted' }, { kind: 'untrusted', code: 'CERT_HAS_EXPIRED' })
  const name = fc.constantFrom<NameFact>(
    { kind: 'matched', name: mxHostname },
    { kind: 'mismatched', name: mxHostname },
    { kind: 'not-asked' },
  )
  const channel: fc.Arbitrary<Channel> = fc.oneof(
    fc.constantFrom(...clear).map((because) => ({ kind: 'clear', because }) as const),
    fc.record({ pkix, name }).map((facts) => ({ kind: 'tls', facts: { ...TLS, ...facts } }) as const),
  )
  const patterns = fc.subarray(['mx.example.test', '*.example.test', 'other.test', '*.mx.example.test'], {
    minLength: 1,
  })
  const passes = (requirement: Requirement, over: Channel): boolean =>
    requirement.kind === 'prove' && judge(requirement, over).kind === 'proven'

  test('what enforce lets pass, testing and no policy let pass; what local policy refuses, every policy refuses', () => {
    fc.assert(
      fc.property(fc.constantFrom(...LOCAL), patterns, channel, (local, mx, over) => {
        const without = passes(tlsRequirement({ local, mxHostname }), over)
        const testing = passes(tlsRequirement({ local, sts: policy('testing', ...mx), mxHostname }), over)
        const enforce = passes(tlsRequirement({ local, sts: policy('enforce', ...mx), mxHostname }), over)
        assert.equal(testing, without, 'testing changes nothing')
        assert.ok(without || !enforce)
      }),
    )
  })
})

const TLS = {
  protocol: 'TLSv1.3',
  cipher: 'TLS_AES_256_GCM_SHA384',
  keyExchange: undefined,
  chain: [
    {
      der: new Uint8Array(),
      ...{ fingerprintSha256: '', subject: '', issuer: '', subjectAltName: '' },
      ...{ validFrom: 0, validTo: 0 },
    },
  ],
  chainCut: false,
} as const
