/** Overrides and the preload list as settings: what is read, and what is refused with a word on how to write it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { configOf, load, problemsOf } from './config-lab.ts'

const NOW = Date.UTC(2026, 9, 1, 12)
const of = (...tables: readonly string[]): string => tables.map((table) => `[[policy_override]]\n${table}\n`).join('')
const WAIVER = 'reason = "their certificate"\nauthor = "Jane"\nuntil = "2026-10-31"'
const problems = (toml: string): readonly string[] => problemsOf(toml, { now: NOW })

test('a switch for one destination is read, with its reason, its author and its end', () => {
  const toml = of(`domain = "Bücher.Example"\nwaive = ["dane"]\n${WAIVER}`)
  const [override] = configOf(toml, { now: NOW }).policy_override
  const { domain, waive, reason, author, until } = override ?? {}
  assert.deepEqual(
    { domain, waive, reason, author, until },
    {
      ...{ domain: { domain: 'xn--bcher-kva.example' }, waive: ['dane'] },
      ...{ reason: 'their certificate', author: 'Jane', until: Date.UTC(2026, 10, 1) },
    },
  )
})

test('a date may be written as TOML has it, and may be over', () => {
  const date = (until: string) =>
    configOf(of(`domain = "a.example"\nwaive = ["dane"]\nreason = "r"\nauthor = "a"\nuntil = ${until}`), { now: NOW })
      .policy_override[0]?.until
  assert.equal(date('2026-10-31'), Date.UTC(2026, 10, 1))
  assert.equal(date('2026-10-31T12:00:00+02:00'), Date.UTC(2026, 9, 31, 10))
  assert.equal(date('2020-01-01'), Date.UTC(2020, 0, 2))
})

test('DANE-81: the order of digests has a default, and is the operator’s', () => {
  covers('DANE-81', { observe: 'store' })
  assert.deepEqual(configOf('').dane.digests, ['sha-512', 'sha-256'])
  assert.deepEqual(configOf('[dane]\ndigests = ["sha-256"]').dane.digests, ['sha-256'])
  assert.deepEqual(problemsOf('[dane]\ndigests = ["sha-512"]'), [
    'hermetic.toml:2:1: dane.digests leaves out "sha-256", the digest of nearly all TLSA records: most hosts could not be authenticated; write it too',
  ])
})

describe('what is refused, where, and what to write', () => {
  const rows: readonly (readonly [rule: string, toml: string, told: readonly string[]])[] = [
    [
      'an override that says nothing',
      of('domain = "a.example"'),
      [
        'hermetic.toml:2:1: policy_override[0].domain is there, but nothing is said about it; write one of require, waive and enforcement, or remove the table',
      ],
    ],
    [
      'two things at once',
      of('domain = "a.example"\nrequire = "pkix"\nenforcement = "observe"'),
      [
        'hermetic.toml:4:1: policy_override[0].enforcement is written beside require; write it in a [[policy_override]] of its own with the same domain',
      ],
    ],
    [
      'a waiver without reason, author and end: all three at once',
      of('domain = "a.example"\nwaive = ["mta-sts"]'),
      [
        'hermetic.toml:3:1: policy_override[0].waive has no reason; write reason = "…": why, for whoever finds it later',
        'hermetic.toml:3:1: policy_override[0].waive has no author; write author = "…": who answers for it',
        'hermetic.toml:3:1: policy_override[0].waive has no until; write until = "…": the day on which it ends, at most 90 days ahead',
      ],
    ],
    [
      'a waiver that reaches too far',
      of('domain = "a.example"\nwaive = ["mta-sts"]\nreason = "r"\nauthor = "a"\nuntil = "2027-06-30"'),
      [
        'hermetic.toml:6:1: policy_override[0].until is more than 90 days ahead; write at most "2026-12-29"; it can be renewed then',
      ],
    ],
    [
      'a waiver of many domains',
      of(`domain = "*.example"\nwaive = ["dane"]\n${WAIVER}`),
      [
        'hermetic.toml:2:1: policy_override[0].domain names many domains, and a waiver is for one; write one table for each domain',
      ],
    ],
    [
      'what belongs to a waiver where nothing is waived',
      of('domain = "a.example"\nrequire = "pkix"\nuntil = "2026-10-31"'),
      [
        'hermetic.toml:4:1: policy_override[0].until is only for overrides that waive something; write waive = ["mta-sts"] or ["dane"], or remove it',
      ],
    ],
    [
      'the same of the same domain twice',
      of('domain = "a.example"\nrequire = "pkix"', 'domain = "A.example"\nrequire = "pkix"'),
      [
        'hermetic.toml:6:1: policy_override[1].require is said of this domain by policy_override 0 already; remove one of the two',
      ],
    ],
    [
      'two ways of enforcing one domain',
      of('domain = "a.example"\nenforcement = "observe"', 'domain = "a.example"\nenforcement = "enforce"'),
      [
        'hermetic.toml:6:1: policy_override[1].enforcement is said of this domain by policy_override 0 already; remove one of the two',
      ],
    ],
    [
      'DANE waived and required, in whatever order and also from above',
      of(`domain = "a.example"\nwaive = ["dane"]\n${WAIVER}`, 'domain = "*.example"\nrequire = "dane"'),
      [
        'hermetic.toml:3:1: policy_override[0].waive contains "dane", which policy_override 1 requires for the same domain; remove one of the two',
      ],
    ],
    [
      'DANE required where DANE is off',
      `[dane]\nenabled = false\n${of('domain = "a.example"\nrequire = "dane"')}`,
      [
        'hermetic.toml:5:1: policy_override[0].require is "dane", but dane.enabled is false: mail for the domain would wait until it is returned; write dane.enabled = "auto" or true',
      ],
    ],
    [
      'no date, no domain, no such demand: every problem is told, and none that follows from them',
      of('domain = "a..example"\nwaive = ["dane", "tls"]\nreason = ""\nauthor = "a"\nuntil = "soon"'),
      [
        'hermetic.toml:2:1: policy_override[0].domain is not a domain: "a..example"; write "example.com", or "*.example.com" for every domain below it and not itself',
        'hermetic.toml:3:18: policy_override[0].waive[1] cannot be "tls"; write "mta-sts" or "dane"',
        'hermetic.toml:4:1: policy_override[0].reason is not a reason: ""; write 1 to 200 characters on one line',
        'hermetic.toml:6:1: policy_override[0].until is not a date, or date with time and offset: "soon"; write a date, e.g. 2026-12-31, which counts to the end of that day in UTC, or e.g. 2026-12-31T12:00:00Z',
      ],
    ],
  ]
  for (const [rule, toml, told] of rows) test(rule, () => assert.deepEqual(problems(toml), told))
})

test('what only adds up, or is over, may stand side by side', () => {
  const over = 'reason = "r"\nauthor = "a"\nuntil = "2026-09-01"'
  const toml = of(
    'domain = "a.example"\nrequire = "pkix"',
    'domain = "a.example"\nrequire = "dane"',
    'domain = "*.a.example"\nrequire = "dane"',
    `domain = "a.example"\nwaive = ["mta-sts"]\n${over}`,
    `domain = "a.example"\nwaive = ["mta-sts"]\n${WAIVER}`,
    'domain = "a.example"\nenforcement = "observe"',
  )
  assert.deepEqual(problems(toml), [])
})

describe('the preload list', () => {
  test('is made absolute, and every mistake in it is told with its line', () => {
    const files = { 'list.txt': 'a.example mx.a.example\nb..example mx\nc.example\n' }
    assert.deepEqual(problemsOf('[mta_sts]\npreload_file = "list.txt"', { files }), [
      'hermetic.toml:2:1: mta_sts.preload_file names a list with a mistake: list.txt, line 2: not a domain: "b..example"; correct it; nothing of a list with a mistake is used',
      'hermetic.toml:2:1: mta_sts.preload_file names a list with a mistake: list.txt, line 3: no hosts; write them behind the domain: "c.example"; correct it; nothing of a list with a mistake is used',
    ])
    const good = load('[mta_sts]\npreload_file = "list.txt"', { files: { 'list.txt': 'a.example mx.a.example\n' } })
    assert.match(good.ok ? (good.value.mta_sts.preload_file ?? '') : '', /^\/.*list\.txt$/)
  })

  test('that is not there is told, and one that would not be used', () => {
    assert.deepEqual(problemsOf('[mta_sts]\nenabled = false\npreload_file = "list.txt"'), [
      'hermetic.toml:3:1: mta_sts.preload_file names a list, but enabled is false: it would not be used; write enabled = true, or remove the list',
      'hermetic.toml:3:1: mta_sts.preload_file cannot be read (no such file or directory): list.txt; name a readable file, or leave it out',
    ])
  })
})

test('whatever stands in an override, it is read whole or told, never taken by halves', () => {
  const field = fc.record(
    {
      domain: fc.constantFrom('"a.example"', '"*.example"', '"b.example"', '"*"', '7'),
      require: fc.constantFrom('"dane"', '"pkix"', '"encrypted"', '"tls"'),
      waive: fc.constantFrom('["dane"]', '["mta-sts", "dane"]', '[]', '["x"]', '"dane"'),
      reason: fc.constantFrom('"why"', '" "', '5'),
      author: fc.constantFrom('"Jane"', '""'),
      until: fc.constantFrom(
        '"2026-10-31"',
        '2026-10-31',
        '"2030-01-01"',
        '"2026-09-01"',
        '"x"',
        '2026-10-31T10:00:00',
      ),
      enforcement: fc.constantFrom('"observe"', '"enforce"', '"off"'),
    },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(fc.array(field, { maxLength: 4 }), (tables) => {
      const toml = of(
        ...tables.map((table) =>
          Object.entries(table)
            .map((entry) => entry.join(' = '))
            .join('\n'),
        ),
      )
      const result = load(toml, { now: NOW })
      if (!result.ok) return assert.ok(result.error.length > 0)
      for (const { require, waive, enforcement, reason, author, until, domain } of result.value.policy_override) {
        const acts = [require, waive.length > 0 || undefined, enforcement].filter((act) => act !== undefined)
        assert.equal(acts.length, 1)
        const told = [reason, author, until].filter((one) => one !== undefined)
        assert.equal(told.length, waive.length > 0 ? 3 : 0)
        if (waive.length > 0) assert.ok((until ?? 0) <= NOW + 90 * 86_400_000 && domain.below === undefined)
      }
    }),
    { numRuns: 300 },
  )
})
