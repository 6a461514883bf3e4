/**
 * Logging in to a smarthost that others wrote, with access tokens: Dovecot, which reads OAUTHBEARER (RFC 7628) and XOAUTH2
 * itself, asks the issuer about each token (RFC 7662), and says what is wrong with one in a challenge. Passwords too.
 */
import assert from 'node:assert/strict'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { ReportEndpoint } from '../lab/report-endpoint.ts'
import { RouteWorld } from '../lab/route-world.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { labAuthority } from '../lab/world-host.ts'
import { DovecotInstance } from './dovecot-instance.ts'
import { freePort } from './relay-instance.ts'

const HOST = 'smart.test'
const ISSUER = 'oauth.test'
const USER = 'shop@example.com'
const PASSWORD = 'a password with = and ,'
const GOOD = 'good.token-1~+/=='

let dir: string
let port: number
let sink: ScriptedMx
let introspection: Server
/** What was asked about each token. */
const asked: string[] = []
let dovecot: DovecotInstance

/** Says of one token that it is good, of all others that they are not. */
async function introspectionServer(): Promise<Server> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString()
    })
    request.on('end', () => {
      const token = new URLSearchParams(body).get('token') ?? ''
      asked.push(token)
      response.writeHead(200, { 'Content-Type': 'application/json' })
      response.end(JSON.stringify(token === GOOD ? { active: true, username: USER } : { active: false }))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}

before(async () => {
  assert.equal(process.getuid?.(), 0, 'Dovecot needs root to run: start test:interop as root')
  dir = await mkdtemp(`${tmpdir()}/hermetic-interop-dovecot-`)
  await chmod(dir, 0o755)
  sink = await ScriptedMx.start()
  introspection = await introspectionServer()
  port = await freePort()
  const where = introspection.address()
  assert.ok(where !== null && typeof where === 'object')
  dovecot = await DovecotInstance.start({
    ...{ dir, name: HOST, port, relayPort: sink.port, passwords: { [USER]: PASSWORD } },
    certificate: await (await labAuthority()).issue({ names: [HOST] }),
    introspectionUrl: `http://127.0.0.1:${where.port}/introspect`,
  })
})

after(async () => {
  await dovecot?.stop()
  introspection?.close()
  await sink?.[Symbol.asyncDispose]()
  await rm(dir, { recursive: true, force: true })
})

function world(login: string): Promise<RouteWorld> {
  return RouteWorld.start({
    records: { [HOST]: { A: ['127.0.0.1'] }, [ISSUER]: { A: ['127.0.0.1'] } },
    routes: () => `[[route]]\nhost = "${HOST}"\nport = ${port}\nusername = "${USER}"\n${login}`,
  })
}

async function issuerOf(...tokens: readonly string[]): Promise<ReportEndpoint> {
  const { key, chain } = await (await labAuthority()).issue({ names: [ISSUER] })
  const endpoint = await ReportEndpoint.start({ key, cert: chain })
  endpoint.answer = () => {
    const access = tokens[endpoint.posted.length - 1] ?? tokens.at(-1)
    const body = JSON.stringify({ access_token: access, token_type: 'Bearer', expires_in: 3600 })
    return { status: 200, fields: { 'Content-Type': 'application/json' }, body }
  }
  return endpoint
}

function withTokens(endpoint: ReportEndpoint, auth: string): string {
  return `auth = "${auth}"
oauth_token_url = "https://${ISSUER}:${endpoint.port}/token"
oauth_client_id = "hermetic"
oauth_refresh_token = "refresh"
`
}

describe('a smarthost that is a Dovecot', () => {
  for (const auth of ['oauthbearer', 'xoauth2']) {
    test(`takes mail after ${auth.toUpperCase()} with a token that its issuer knows`, async () => {
      await using endpoint = await issuerOf(GOOD)
      await using relay = await world(withTokens(endpoint, auth))
      const already = sink.messages.length
      const id = await relay.send('bob@elsewhere.test')
      assert.equal(relay.settles(id)[0]?.summary.delivered, 1, await dovecot.log())
      assert.equal(sink.messages.length, already + 1)
      assert.equal(asked.at(-1), GOOD)
      assert.match(await dovecot.log(), new RegExp(`Login: user=<${USER}>, method=${auth.toUpperCase()}`))
    })

    test(`refuses another token by ${auth.toUpperCase()}: its error is answered, it says 535, the route is suspended`, async () => {
      await using endpoint = await issuerOf('bad.token')
      await using relay = await world(withTokens(endpoint, auth))
      const already = sink.messages.length
      const id = await relay.submit('bob@elsewhere.test')
      await relay.relay.until(() => relay.relay.eventsOf('route-suspended').length === 1)
      const [failed] = relay.relay.eventsOf('smarthost-login-failed')
      assert.equal(failed?.reason, 'refused')
      assert.match(failed?.said ?? '', /^535 5\.7\.8 /)
      assert.deepEqual([relay.settles(id), sink.messages.length], [[], already])
      assert.ok(!relay.relay.lines.some((line) => line.includes('bad.token')))
    })
  }

  for (const auth of ['plain', 'login']) {
    test(`takes mail after ${auth.toUpperCase()}`, async () => {
      await using relay = await world(`auth = "${auth}"\npassword = "${PASSWORD}"\n`)
      const id = await relay.send('bob@elsewhere.test')
      assert.equal(relay.settles(id)[0]?.summary.delivered, 1, await dovecot.log())
      assert.match(await dovecot.log(), new RegExp(`Login: user=<${USER}>, method=${auth.toUpperCase()}`))
    })
  }
})
