import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { configOf, problemsOf } from './config-lab.ts'

const ROUTE = '[[route]]\ndomain = "*"\nhost = "smtp.example.net"\n'
const OAUTH = `oauth_token_url = "https://oauth.example.net/token"
oauth_client_id = "hermetic"
oauth_refresh_token = "very secret"
`
const LOGIN = 'username = "shop"\npassword = "very secret"\n'

describe('[[route]]', () => {
  test('has the port of its kind of TLS', () => {
    const { route } = configOf(`${ROUTE}[[route]]\ndomain = "a.example"\nhost = "b.example"\ntls = "implicit"\n`)
    assert.deepEqual(
      route.map(({ port, tls }) => [port, tls]),
      [
        [587, 'starttls'],
        [465, 'implicit'],
      ],
    )
  })

  for (const [written, read] of [
    ['*', { kind: 'any' }],
    ['Example.COM', { kind: 'exact', name: 'example.com' }],
    ['*.bücher.example', { kind: 'below', name: 'xn--bcher-kva.example' }],
  ] as const) {
    test(`takes the domain ${written}`, () => {
      const { route } = configOf(`[[route]]\ndomain = "${written}"\nhost = "b.example"\n`)
      assert.deepEqual({ ...route[0]?.domain }, read)
    })
  }

  test('takes its password by index from the environment, directly or from a file, and shows it nowhere', () => {
    const user = `${ROUTE}username = "shop"\n`
    const direct = configOf(user, { env: { HERMETIC_ROUTE__0__PASSWORD: 'from env' } })
    assert.equal(direct.route[0]?.password?.reveal(), 'from env')
    const env = { HERMETIC_ROUTE__0__PASSWORD_FILE: 'secret.txt' }
    const fromFile = configOf(user, { env, files: { 'secret.txt': 'from file\n' } })
    assert.equal(fromFile.route[0]?.password?.reveal(), 'from file')
    assert.doesNotMatch(JSON.stringify(fromFile), /from file/)
  })

  for (const [why, text, problem] of [
    ['a port and no host', '[[route]]\nsender = "@a.example"\nport = 2525\n', /port is for a smarthost/],
    ['a sender without @', '[[route]]\nsender = "a.example"\nhost = "b.example"\n', /is not a sender/],
    ['no attempt', '[[route]]\nfrom_attempt = 0\nhost = "b.example"\n', /from_attempt is out of range/],
    ['a fallback to where it came from', '[[route]]\nfallback = "unreachable"\n', /fallback leads where/],
    [
      'a domain with a star inside',
      '[[route]]\ndomain = "a.*.b"\nhost = "b.example"\n',
      /is not a domain of recipients/,
    ],
    ['a host with a port', '[[route]]\ndomain = "*"\nhost = "b.example:25"\n', /is not a host name or address literal/],
    ['a user name without a password', `${ROUTE}username = "shop"\n`, /username has no password/],
    ['a password without a user name', `${ROUTE}password = "secret"\n`, /password has no user name/],
    [
      'a password without a user name, beside a route without a login',
      `${ROUTE}[[route]]\ndomain = "a.example"\nhost = "smtp.example.net"\npassword = "secret"\n`,
      /route\[1\]\.password has no user name/,
    ],
    ['a login where nothing is demanded', `${ROUTE}${LOGIN}tls = "opportunistic"\n`, /tls would send the password/],
    ['an address that is to prove itself', '[[route]]\ndomain = "*"\nhost = "[192.0.2.1]"\n', /host is an address/],
    ['one domain twice', `${ROUTE}${ROUTE}`, /route\[1\]\.domain is for the same mail as route 0/],
    [
      'one sender twice, in other letters',
      '[[route]]\nsender = "App@a.example"\nhost = "b.example"\n[[route]]\nsender = "app@A.example"\nhost = "c.example"\n',
      /route\[1\]\.domain is for the same mail as route 0/,
    ],
    [
      'two passwords of one login',
      `${ROUTE}${LOGIN}[[route]]\ndomain = "a.example"\nhost = "smtp.example.net"\nusername = "shop"\npassword = "other"\n`,
      /route\[1\]\.password is not that of route 0/,
    ],
    [
      'two kinds of TLS at one port',
      `${ROUTE}[[route]]\ndomain = "a.example"\nhost = "smtp.example.net"\nport = 587\ntls = "implicit"\n`,
      /route\[1\]\.tls is not that of route 0/,
    ],
    ['an access token and a password', `${ROUTE}${LOGIN}${OAUTH}`, /password is there beside an access token/],
    [
      'an access token without a refresh token',
      `${ROUTE}username = "a"\n${OAUTH.replace(/oauth_refresh.*\n/, '')}`,
      /oauth_token_url needs oauth_refresh_token too/,
    ],
    [
      'HTTP Basic authentication and nothing to prove',
      `${ROUTE}username = "a"\noauth_client_auth = "basic"\n${OAUTH}`,
      /oauth_client_auth needs oauth_client_secret too/,
    ],
    ['an access token and nobody who logs in', `${ROUTE}${OAUTH}`, /oauth_token_url has no user name/],
    [
      'a mechanism for passwords and an access token',
      `${ROUTE}username = "a"\nauth = "plain"\n${OAUTH}`,
      /auth is for a password/,
    ],
    [
      'a mechanism for access tokens and a password',
      `${ROUTE}${LOGIN}auth = "xoauth2"\n`,
      /auth needs an access token/,
    ],
    ['a mechanism and no login', `${ROUTE}auth = "login"\n`, /auth has no login/],
    [
      'a token endpoint without TLS',
      `${ROUTE}username = "a"\n${OAUTH.replace('https', 'http')}`,
      /is not an? https URL/,
    ],
    [
      'an access token where nothing is demanded',
      `${ROUTE}username = "a"\ntls = "opportunistic"\n${OAUTH}`,
      /tls would send the password/,
    ],
    ['an empty password', `${ROUTE}username = "shop"\npassword = ""\n`, /password is not a password/],
  ] as const) {
    test(`is refused with ${why}`, () => {
      const problems = problemsOf(text)
      assert.equal(problems.length, 1, problems.join('\n'))
      assert.match(problems[0] ?? '', problem)
      assert.doesNotMatch(problems.join(), /(?<!client_)secret|other"/)
    })
  }

  test('may lead several domains to one login', () => {
    const second = `[[route]]\ndomain = "a.example"\nhost = "smtp.example.net"\n${LOGIN}`
    assert.deepEqual(problemsOf(`${ROUTE}${LOGIN}${second}`), [])
  })

  test('may have two logins at one host', () => {
    const second = `[[route]]\ndomain = "a.example"\nhost = "smtp.example.net"\nusername = "b"\npassword = "c"\n`
    assert.deepEqual(problemsOf(`${ROUTE}${LOGIN}${second}`), [])
  })
})
