import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Secret } from '../config/secret.ts'
import type { Credentials, TokenAnswer } from '../smtp/auth.ts'
import { type LaneId, parseLaneId } from './lane.ts'
import { routeTable } from './routing.ts'
import { arrivedRoutes, travellingRoutes } from './suspect-routes.ts'

const SHOP = 'route:shop@smart.test:587' as LaneId
const OTHER = 'route:other@smart.test:587' as LaneId

function tableOf(...logins: readonly (readonly [LaneId, Credentials])[]) {
  return routeTable(
    logins.map(([id, credentials], index) => {
      const lane = parseLaneId(id)
      assert.ok(lane?.kind === 'route')
      const to = { kind: 'smarthost', lane, access: { tls: 'starttls', credentials } } as const
      return { domain: { kind: 'any' }, sender: { kind: 'any' }, fromAttempt: index + 1, to }
    }),
  )
}

function withToken(username: string, answer: TokenAnswer): Credentials {
  return { username, mechanism: 'XOAUTH2', tokens: { token: async () => answer, refused: () => undefined } }
}

test('the token of the lane travels as it is now, and nothing of another login does', async () => {
  const shop = withToken('shop', { kind: 'token', token: new Secret('of shop'), isNew: true })
  const other = { username: 'other', password: new Secret('of other') }
  const travelling = await travellingRoutes(tableOf([SHOP, shop], [OTHER, other]), SHOP)
  const text = JSON.stringify(travelling)
  assert.deepEqual([text.includes('of shop'), text.includes('of other')], [true, false])
  const { access } = arrivedRoutes(JSON.parse(text))
  const login = access.get(SHOP)?.credentials
  assert.ok(login !== undefined && 'tokens' in login)
  const answer = await login.tokens.token()
  assert.deepEqual([login.username, login.mechanism, answer.kind], ['shop', 'XOAUTH2', 'token'])
  assert.equal(answer.kind === 'token' && answer.token.reveal(), 'of shop')
  assert.equal(access.get(OTHER)?.credentials, undefined)
})

test('that there is none now travels too', async () => {
  const problem = { kind: 'grant-refused', said: 'no' } as const
  const { access } = arrivedRoutes(await travellingRoutes(tableOf([SHOP, withToken('shop', problem)]), SHOP))
  const login = access.get(SHOP)?.credentials
  assert.ok(login !== undefined && 'tokens' in login)
  assert.deepEqual(await login.tokens.token(), problem)
})
