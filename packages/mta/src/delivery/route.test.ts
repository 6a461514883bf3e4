import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { address } from '../../../../test/lab/relay-world.ts'
import { routesOf } from '../../../../test/lab/routes-of.ts'
import { routeDemand } from './route.ts'
import { laneForNotice } from './routing.ts'

const ROUTES = routesOf([
  { domain: '*', host: 'any.test', port: 587 },
  { domain: '*.example.com', host: 'below.test', port: 587 },
  { domain: '*.b.example.com', host: 'deep.test', port: 587 },
  { domain: 'example.com', host: 'exact.test', port: 465, tls: 'implicit' },
  { domain: 'c.example.com', host: 'c.test', port: 587, username: 'shop', password: 'secret' },
])

describe('RFC 5321 §5.1 the route that says most about the domain', () => {
  for (const [recipient, lane] of [
    ['x@example.com', 'route:exact.test:465'],
    ['x@a.example.com', 'route:below.test:587'],
    ['x@b.example.com', 'route:below.test:587'],
    ['x@a.b.example.com', 'route:deep.test:587'],
    ['x@z.a.b.example.com', 'route:deep.test:587'],
    ['x@c.example.com', 'route:shop@c.test:587'],
    ['x@notexample.com', 'route:any.test:587'],
    ['x@com', 'route:any.test:587'],
    ['x@[192.0.2.1]', 'route:any.test:587'],
  ] as const) {
    test(`${recipient}: ${lane}`, () =>
      assert.equal(laneForNotice(address(recipient), { port: 25, routes: ROUTES }), lane))
  }

  for (const [recipient, lane] of [
    ['x@example.com', 'mx:example.com:25'],
    ['x@[192.0.2.1]', 'mx:[192.0.2.1]:25'],
    ['x@b.example.org', 'route:deep.test:587'],
  ] as const) {
    const routes = routesOf([{ domain: '*.example.org', host: 'deep.test', port: 587 }])
    test(`without one for all: ${recipient}: ${lane}`, () =>
      assert.equal(laneForNotice(address(recipient), { port: 25, routes }), lane))
  }
})

test('whatever may have a login demands the name in the certificate', () => {
  assert.equal(routeDemand({ tls: 'starttls' }), 'proven-host')
  assert.equal(routeDemand({ tls: 'implicit' }), 'proven-host')
  assert.equal(routeDemand({ tls: 'opportunistic' }), 'nothing')
})
