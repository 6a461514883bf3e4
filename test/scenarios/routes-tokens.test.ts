/** Logging in to a smarthost with LOGIN, and with access tokens (XOAUTH2, OAUTHBEARER): servers of others, and one that is scripted. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { loginServer } from '../../packages/mta/src/smtp/login-server.fixture.ts'
import { ReportEndpoint } from '../lab/report-endpoint.ts'
import { RouteWorld } from '../lab/route-world.ts'
import { labAuthority } from '../lab/world-host.ts'

const SMART = 'smart.test'
const ISSUER = 'oauth.test'
const REFRESH = 'refresh token of the lab'
const CLIENT_SECRET = 'secret of the client'

async function smarthost(method: string, accepts: Parameters<typeof loginServer>[0]['accepts']) {
  const { key, chain } = await (await labAuthority()).issue({ names: [SMART] })
  return loginServer({ key, cert: chain, method, accepts })
}

async function issuer(): Promise<ReportEndpoint> {
  const { key, chain } = await (await labAuthority()).issue({ names: [ISSUER] })
  const endpoint = await ReportEndpoint.start({ key, cert: chain })
  endpoint.answer = () => token(`token.${endpoint.posted.length}`)
  return endpoint
}

function token(access: string, lifetime = 3600) {
  const body = JSON.stringify({ access_token: access, token_type: 'Bearer', expires_in: lifetime })
  return { status: 200, fields: { 'Content-Type': 'application/json' }, body }
}

function refusal(error: string) {
  return { status: 400, fields: { 'Content-Type': 'application/json' }, body: JSON.stringify({ error }) }
}

function world(login: string, port: number, settings = ''): Promise<RouteWorld> {
  return RouteWorld.start({
    settings,
    records: { [SMART]: { A: ['127.0.0.1'] }, [ISSUER]: { A: ['127.0.0.1'] } },
    routes: () => `[[route]]\nhost = "${SMART}"\nport = ${port}\nusername = "shop@example.com"\n${login}`,
  })
}

function oauth({ port }: { readonly port: number }): string {
  return `oauth_token_url = "https://${ISSUER}:${port}/token?v=2"
oauth_client_id = "hermetic"
oauth_client_secret = "${CLIENT_SECRET}"
oauth_refresh_token = "${REFRESH}"
`
}

function assertNothingTold({ relay }: RouteWorld, ...more: readonly string[]): void {
  for (const secret of [REFRESH, CLIENT_SECRET, ...more]) {
    for (const text of [...relay.lines, ...relay.events.map((event) => JSON.stringify(event))]) {
      assert.ok(!text.includes(secret), text)
    }
  }
}

test('LOGIN, where nothing else is offered', async () => {
  await using smart = await smarthost('LOGIN', ({ password }) => password === 'right')
  await using relay = await world('password = "right"\n', smart.port)
  await relay.send('bob@example.test')
  assert.deepEqual(
    [smart.logins[0]?.method, smart.logins[0]?.username, smart.taken()],
    ['LOGIN', 'shop@example.com', 1],
  )
})

describe('XOAUTH2 at the server of nodemailer', () => {
  test('the token is asked for once, and kept for further sessions', async () => {
    await using endpoint = await issuer()
    await using smart = await smarthost('XOAUTH2', ({ accessToken }) => accessToken === 'token.1')
    await using relay = await world(oauth(endpoint), smart.port)
    for (const to of ['a@one.test', 'b@two.test', 'c@three.test']) await relay.send(to)
    assert.equal(smart.taken(), 3)
    assert.deepEqual([smart.logins[0]?.method, smart.logins[0]?.username], ['XOAUTH2', 'shop@example.com'])
    const [asked, ...more] = endpoint.posted
    assert.deepEqual(more, [])
    assert.deepEqual([asked?.method, asked?.target], ['POST', '/token?v=2'])
    assert.deepEqual(Object.fromEntries(new URLSearchParams(asked?.body.toString())), {
      grant_type: 'refresh_token',
      refresh_token: REFRESH,
      client_id: 'hermetic',
      client_secret: CLIENT_SECRET,
    })
    assertNothingTold(relay, 'token.1')
  })

  test('the client says who it is by HTTP Basic where that is written, each part as in a form, and nowhere else', async () => {
    await using endpoint = await issuer()
    await using smart = await smarthost('XOAUTH2', ({ accessToken }) => accessToken === 'token.1')
    const secret = 'a:b c/ü'
    const login = oauth(endpoint).replace(CLIENT_SECRET, secret)
    await using relay = await world(`${login}oauth_client_auth = "basic"\n`, smart.port)
    await relay.send('a@one.test')
    assert.equal(smart.taken(), 1)
    const [asked] = endpoint.posted
    assert.deepEqual(Object.fromEntries(new URLSearchParams(asked?.body.toString())), {
      grant_type: 'refresh_token',
      refresh_token: REFRESH,
    })
    const { authorization = '' } = asked?.fields ?? {}
    const basic = `Basic ${Buffer.from('hermetic:a%3Ab+c%2F%C3%BC').toString('base64')}`
    assert.equal(authorization, basic)
    const obtained = relay.relay.eventsOf('access-token-obtained')
    assert.deepEqual(
      obtained.map((event) => [event.endpoint, event.lifetimeMs]),
      [[ISSUER, 3_600_000]],
    )
    assert.match(await relay.metrics(), /hermetic_access_tokens_total\{endpoint="oauth\.test"\} 1/)
    assertNothingTold(relay, secret, basic, 'token.1')
  })

  test('a token that is not taken any more is replaced at once, and nobody waits', async () => {
    await using endpoint = await issuer()
    let good = 'token.1'
    await using smart = await smarthost('XOAUTH2', ({ accessToken }) => accessToken === good)
    await using relay = await world(oauth(endpoint), smart.port, 'messages_per_connection = 1\n')
    await relay.send('a@one.test')
    good = 'token.2'
    await relay.send('b@two.test')
    assert.deepEqual(
      smart.logins.map(({ accessToken }) => accessToken),
      ['token.1', 'token.1', 'token.2'],
    )
    assert.equal(smart.taken(), 2)
    assert.deepEqual(relay.relay.eventsOf('route-suspended'), [])
    assertNothingTold(relay, 'token.1', 'token.2')
  })

  test('a fresh token that is refused suspends the route: the error of the server is answered, and it says 535', async () => {
    await using endpoint = await issuer()
    await using smart = await smarthost('XOAUTH2', () => false)
    await using relay = await world(oauth(endpoint), smart.port)
    await relay.submit('a@one.test')
    await relay.relay.until(() => relay.relay.eventsOf('route-suspended').length === 1)
    const [failed] = relay.relay.eventsOf('smarthost-login-failed')
    assert.equal(failed?.reason, 'refused')
    assert.match(failed?.said ?? '', /^535 /)
    assert.equal(smart.logins.length, 1)
  })
})

describe('a token endpoint', () => {
  test('that says invalid_grant suspends the route, and no AUTH is sent', async () => {
    await using endpoint = await issuer()
    endpoint.answer = () => refusal('invalid_grant')
    await using smart = await smarthost('XOAUTH2', () => true)
    await using relay = await world(oauth(endpoint), smart.port)
    const id = await relay.submit('a@one.test')
    await relay.relay.until(() => relay.relay.eventsOf('route-suspended').length === 1)
    assert.equal(relay.relay.eventsOf('route-suspended')[0]?.said, `no access token: ${ISSUER} says invalid_grant`)
    assert.deepEqual([smart.logins, relay.settles(id)], [[], []])
    assertNothingTold(relay)
  })

  for (const [what, answer] of [
    ['fails', () => ({ status: 503 })],
    ['answers something else', () => ({ status: 200, body: '<html>' })],
    ['gives no token that may stand in a header', () => token('two words')],
  ] as const) {
    test(`that ${what} makes mail wait, and suspends nothing`, async () => {
      await using endpoint = await issuer()
      endpoint.answer = answer
      await using smart = await smarthost('XOAUTH2', () => true)
      await using relay = await world(oauth(endpoint), smart.port)
      const id = await relay.send('a@one.test')
      const [settle] = relay.settles(id)
      assert.deepEqual([settle?.summary.deferred, settle?.problem?.status], [1, '4.7.0'])
      assert.equal(relay.relay.eventsOf('smarthost-login-failed')[0]?.reason, 'no-token')
      assert.deepEqual([smart.logins, relay.relay.eventsOf('route-suspended')], [[], []])
    })
  }

  test('that has not proven its name is not asked', async () => {
    const { key, chain } = await (await labAuthority()).issue({ names: ['else.test'] })
    await using endpoint = await ReportEndpoint.start({ key, cert: chain })
    await using smart = await smarthost('XOAUTH2', () => true)
    await using relay = await world(oauth(endpoint), smart.port)
    await relay.send('a@one.test')
    assert.deepEqual([endpoint.posted, smart.logins], [[], []])
    assert.match(relay.relay.eventsOf('smarthost-login-failed')[0]?.said ?? '', /certificate is not proven \(name\)/)
  })
})

test('RFC 7628 §3.2.3: OAUTHBEARER comes before XOAUTH2, and its error is answered with one octet', async () => {
  await using endpoint = await issuer()
  const challenge = Buffer.from('{"status":"invalid_token"}').toString('base64')
  await using relay = await RouteWorld.start({
    hosts: {
      [SMART]: {
        capabilities: ['AUTH XOAUTH2 OAUTHBEARER'],
        script: { AUTH: ({ line }) => (line.startsWith('AUTH') ? `334 ${challenge}` : '535 5.7.8 no') },
      },
    },
    records: { [ISSUER]: { A: ['127.0.0.1'] } },
    routes: (port) => `[[route]]\nhost = "${SMART}"\nport = ${port(SMART)}\nusername = "shop"\n${oauth(endpoint)}`,
  })
  await relay.submit('a@one.test')
  await relay.relay.until(() => relay.relay.eventsOf('route-suspended').length === 1)
  const { commands } = relay.host(SMART).connection
  const at = commands.findIndex((line) => line.startsWith('AUTH'))
  const [, mechanism, response = ''] = (commands[at] ?? '').split(' ')
  assert.equal(mechanism, 'OAUTHBEARER')
  const port = relay.host(SMART).port
  assert.equal(
    Buffer.from(response, 'base64').toString(),
    `n,a=shop,\u0001host=${SMART}\u0001port=${port}\u0001auth=Bearer token.1\u0001\u0001`,
  )
  assert.equal(commands[at + 1], 'AQ==')
})
