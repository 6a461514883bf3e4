import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseDomainName } from '@hermetic/policy'
import fc from 'fast-check'
import type { MailDomain } from '../smtp/mail-address.ts'
import { type Lane, laneId, POOL_NAME, parseLaneId } from './lane.ts'

function name(text: string): MailDomain {
  const parsed = parseDomainName(text)
  assert.ok(parsed.ok)
  return { kind: 'name', name: parsed.value }
}

const HOSTS: readonly MailDomain[] = [
  name('example.com'),
  name('xn--bcher-kva.example'),
  { kind: 'literal', family: 4, address: '192.0.2.1' },
  { kind: 'literal', family: 6, address: '2001:db8::1' },
]

const PLAIN = { noNullPrototype: true } as const
const where = { nextHop: fc.constantFrom(...HOSTS), port: fc.integer({ min: 1, max: 65_535 }) }
const username = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
const pool = fc.stringMatching(POOL_NAME)
const lanes: fc.Arbitrary<Lane> = fc.oneof(
  fc.record({ kind: fc.constant('mx' as const), ...where, pool }, PLAIN),
  fc.record({ kind: fc.constant('route' as const), ...where, username, pool }, PLAIN),
  fc.record({ kind: fc.constant('mx' as const), ...where }, PLAIN),
  fc.record({ kind: fc.constant('route' as const), ...where }, PLAIN),
  fc.record({ kind: fc.constant('route' as const), ...where, username }, PLAIN),
)

describe('lane ids', () => {
  test('are read back as what they were made of, whatever the user name', () => {
    fc.assert(fc.property(lanes, (lane) => assert.deepEqual(parseLaneId(laneId(lane)), lane)))
  })

  test('of different lanes are different', () => {
    fc.assert(
      fc.property(lanes, lanes, (one, other) => {
        const same = JSON.stringify(one) === JSON.stringify(other)
        assert.equal(laneId(one) === laneId(other), same)
      }),
    )
  })

  test('can be read by people, and hold no white space', () => {
    const host = { nextHop: name('smarthost.example'), port: 587 }
    assert.equal(laneId({ kind: 'route', ...host }), 'route:smarthost.example:587')
    assert.equal(laneId({ kind: 'mx', ...host, pool: 'bulk' }), 'mx:smarthost.example:587/bulk')
    const login = laneId({ kind: 'route', ...host, username: 'shop@example.com or so' })
    assert.equal(login, 'route:shop%40example.com%20or%20so@smarthost.example:587')
  })

  for (const text of [
    '',
    'mx:example.com',
    'mx:shop@example.com:25',
    'route:@example.com:587',
    'route:a%4@example.com:587',
    'route:a%FF@example.com:587',
    'route:%61@example.com:587',
    'route:a@b@example.com:587',
    'route:[192.0.2.1:587',
    'via:example.com:25',
    'mx:example.com:25/',
    'mx:example.com/bulk:25',
    'mx:example.com:25/Bulk',
  ]) {
    test(`"${text}" is none`, () => assert.equal(parseLaneId(text), undefined))
  }

  test('nothing throws, and what is read is written the same', () => {
    const texts = fc.tuple(
      fc.constantFrom('mx:', 'route:', ''),
      fc.string(),
      fc.constantFrom('@example.com:25', ':25', ''),
    )
    fc.assert(
      fc.property(texts, (parts) => {
        const lane = parseLaneId(parts.join(''))
        if (lane?.kind === 'route') assert.equal(laneId(lane).toLowerCase(), parts.join('').toLowerCase())
      }),
    )
  })
})
