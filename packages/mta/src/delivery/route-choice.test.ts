import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { address } from '../../../../test/lab/relay-world.ts'
import { type RouteOptions, routesOf } from '../../../../test/lab/routes-of.ts'
import { nullReversePath } from '../smtp/mail-address.ts'
import { routingTold } from './route-text.ts'
import { fallbackFor, laneFor } from './routing.ts'

interface Asked {
  readonly to?: string
  readonly from?: string
  readonly tag?: string
  readonly attempt?: number
}

function mail({ to = 'x@example.com', from = 'app@shop.test', tag, attempt = 1 }: Asked) {
  const sender = from === '' ? nullReversePath : address(from)
  return { recipient: address(to), sender, attempt, ...(tag === undefined ? {} : { tag }) }
}

function hostOf(asked: Asked, routes: readonly RouteOptions[]): string {
  return /^route:([^:]+)/.exec(laneFor(mail(asked), { port: 25, routes: routesOf(routes) }))?.[1] ?? 'mx'
}

const ROUTES: readonly RouteOptions[] = [
  { host: 'late.test', fromAttempt: 5 },
  { host: 'any.test' },
  { sender: '<>', host: 'notices.test' },
  { sender: '@shop.test', host: 'shop.test' },
  { sender: '@*.shop.test', host: 'below-shop.test' },
  { sender: 'News@shop.test', host: 'news.test' },
  { tag: 'bulk', host: 'bulk.test' },
  { sender: '@shop.test', tag: 'bulk', host: 'shop-bulk.test' },
  { sender: '@shop.test', tag: 'bulk', fromAttempt: 3, host: 'shop-bulk-late.test' },
  { domain: 'partner.test', sender: '@other.test', host: 'partner-other.test' },
  { domain: '*.partner.test', host: 'below-partner.test' },
  { domain: 'direct.test', pool: 'clean' },
]

describe('the domain of the recipient comes first, then the sender, the tag and the attempt', () => {
  for (const [asked, host] of [
    [{ from: 'x@else.test' }, 'any.test'],
    [{ from: 'x@else.test', attempt: 4 }, 'any.test'],
    [{ from: 'x@else.test', attempt: 5 }, 'late.test'],
    [{ from: '' }, 'notices.test'],
    [{ from: 'x@shop.test' }, 'shop.test'],
    [{ from: 'x@a.b.shop.test' }, 'below-shop.test'],
    [{ from: 'news@shop.test' }, 'news.test'],
    [{ from: 'NEWS@SHOP.test', tag: 'bulk' }, 'news.test'],
    [{ from: 'x@else.test', tag: 'bulk' }, 'bulk.test'],
    [{ from: 'x@else.test', tag: 'Bulk' }, 'any.test'],
    [{ tag: 'bulk' }, 'shop-bulk.test'],
    [{ tag: 'bulk', attempt: 7 }, 'shop-bulk-late.test'],
    [{ tag: 'other', attempt: 7 }, 'shop.test'],
    [{ to: 'x@partner.test' }, 'shop.test'],
    [{ to: 'x@partner.test', from: 'x@other.test' }, 'partner-other.test'],
    [{ to: 'x@a.partner.test', from: 'x@shop.test', tag: 'bulk' }, 'below-partner.test'],
    [{ to: 'x@[192.0.2.1]', from: 'x@else.test' }, 'any.test'],
    [{ to: 'x@direct.test', tag: 'bulk' }, 'mx'],
  ] as const) {
    test(`${JSON.stringify(asked)}: ${host}`, () => assert.equal(hostOf(asked, ROUTES), host))
  }
})

test('the order in which routes stand says nothing', () => {
  const asked: fc.Arbitrary<Asked> = fc.record({
    to: fc.constantFrom('x@example.com', 'x@partner.test', 'x@a.partner.test', 'x@direct.test'),
    from: fc.constantFrom('', 'x@shop.test', 'news@shop.test', 'x@a.shop.test', 'x@other.test'),
    tag: fc.constantFrom('bulk', 'other'),
    attempt: fc.integer({ min: 1, max: 9 }),
  })
  const shuffled = fc.shuffledSubarray([...ROUTES], { minLength: ROUTES.length })
  fc.assert(
    fc.property(asked, shuffled, (one, routes) => {
      assert.equal(hostOf(one, routes), hostOf(one, ROUTES))
    }),
  )
})

test('a route without a host leads to the mail exchangers, from its pool', () => {
  const lane = laneFor(mail({ to: 'x@direct.test' }), { port: 25, routes: routesOf(ROUTES), pool: 'default' })
  assert.equal(lane, 'mx:direct.test:25/clean')
})

test('explain says which route counts, and only those others that some mail to the same domain takes', () => {
  const asked = mail({ to: 'x@partner.test', from: 'x@other.test' })
  const told = routingTold(asked, { port: 25, routes: routesOf(ROUTES) })
  assert.equal(told.because, 'route[9] for partner.test, from @other.test')
  assert.deepEqual(told.others, [
    'route[0] for *, from attempt 5 on: route:late.test:587',
    'route[2] for *, from <>: route:notices.test:587',
    'route[3] for *, from @shop.test: route:shop.test:587',
    'route[4] for *, from @*.shop.test: route:below-shop.test:587',
    'route[5] for *, from News@shop.test: route:news.test:587',
    'route[6] for *, with the tag bulk: route:bulk.test:587',
    'route[7] for *, from @shop.test, with the tag bulk: route:shop-bulk.test:587',
    'route[8] for *, from @shop.test, with the tag bulk, from attempt 3 on: route:shop-bulk-late.test:587',
  ])
  const direct = routingTold(mail({ to: 'x@direct.test' }), { port: 25, routes: routesOf(ROUTES) })
  assert.deepEqual(direct, { because: 'route[11] for direct.test', others: [] })
})

describe('a fallback', () => {
  const fallback = (asked: Asked, routes: readonly RouteOptions[]) =>
    fallbackFor(mail(asked), { port: 25, routes: routesOf(routes) })

  test('is never the usual way, and is chosen by the same criteria', () => {
    const routes: readonly RouteOptions[] = [
      { fallback: 'unreachable', host: 'any.test' },
      { fallback: 'unreachable-or-policy', sender: '@shop.test', host: 'shop.test' },
    ]
    assert.equal(hostOf({}, routes), 'mx')
    assert.deepEqual(
      [{ from: 'x@else.test' }, {}].map((asked) => [fallback(asked, routes)?.lane, fallback(asked, routes)?.use]),
      [
        ['route:any.test:587', 'unreachable'],
        ['route:shop.test:587', 'unreachable-or-policy'],
      ],
    )
  })

  test('that is where mail goes anyway is none', () => {
    assert.equal(fallback({}, [{ host: 'a.test' }, { fallback: 'unreachable', host: 'a.test' }]), undefined)
  })
})
