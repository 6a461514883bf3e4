/** SCRAM-SHA-256: the example of RFC 7677, what is refused, and a whole exchange over a session. */
import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { SmtpDialogue } from '../../../../test/lab/submit.ts'
import { AuthFailures } from './auth-failures.ts'
import { authPlain, type Fixture, type FixtureOptions, SECRET, startFixture, USERNAME } from './listener.fixture.ts'
import {
  answerFirst,
  endExchange,
  formatScramVerifier,
  makeScramVerifier,
  matchesScram,
  parseClientFirst,
  parseScramVerifier,
} from './scram.ts'
import { hashToken, scramToken } from './secret-hash.ts'

const SALT = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64')
const CLIENT_NONCE = 'rOprNGfwEbeRWgbNEkqO'
const SERVER_NONCE = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const LAST = `c=biws,r=${CLIENT_NONCE}${SERVER_NONCE},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`

describe('RFC 7677 §3', () => {
  const first = parseClientFirst(`n,,n=user,r=${CLIENT_NONCE}`)
  assert.ok(first !== undefined)
  const exchange = answerFirst(first, makeScramVerifier('pencil', SALT), SERVER_NONCE)

  test('the example comes out octet by octet', () => {
    assert.equal(exchange.serverFirst, `r=${CLIENT_NONCE}${SERVER_NONCE},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`)
    const proof = 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4='
    assert.deepEqual(endExchange(exchange, LAST), { kind: 'proven', proof })
  })

  for (const [rule, last, kind] of [
    ['another proof', LAST.replace('dHzb', 'dHzc'), 'refused'],
    ['another nonce', LAST.replace(SERVER_NONCE, SERVER_NONCE.replace('%', '!')), 'refused'],
    ['the nonce of the client alone', LAST.replace(SERVER_NONCE, ''), 'refused'],
    ['another header than it began with', LAST.replace('biws', 'eSws'), 'refused'],
    ['no proof', LAST.replace(/,p=.*/, ''), 'malformed'],
    ['something behind the proof', `${LAST},x=1`, 'malformed'],
    ['a proof that is too short', LAST.replace('dHzbZapW', ''), 'malformed'],
    ['nothing', '', 'malformed'],
  ] as const) {
    test(`${rule}: ${kind}`, () => assert.equal(endExchange(exchange, last).kind, kind))
  }
})

describe('the first message of a client', () => {
  for (const [text, username, authorizationId] of [
    ['n,,n=user,r=abc', 'user', ''],
    ['y,,n=user,r=abc', 'user', ''],
    ['n,a=user,n=user,r=abc', 'user', 'user'],
    ['n,,n=a=2Cb=3Dc,r=abc,x=later', 'a,b=c', ''],
    ['n,,n=jürgen,r=abc', 'jürgen', ''],
  ] as const) {
    test(text, () => {
      const first = parseClientFirst(text)
      assert.deepEqual([first?.username, first?.authorizationId], [username, authorizationId])
    })
  }

  for (const text of [
    'p=tls-exporter,,n=user,r=abc',
    'n,,m=must,n=user,r=abc',
    'n,,n=,r=abc',
    'n,,n=a=2Db,r=abc',
    'n,,n=user,r=',
    'n,,n=user,r=a b',
    `n,,n=user,r=${'x'.repeat(257)}`,
    'n,n=user,r=abc',
    'n=user,r=abc',
    '',
  ]) {
    test(`is not ${JSON.stringify(text.slice(0, 30))}`, () => assert.equal(parseClientFirst(text), undefined))
  }
})

describe('what is kept', () => {
  test('is read as it was written, and knows the password and no other', async () => {
    const verifier = makeScramVerifier('correct horse', SALT)
    assert.deepEqual(parseScramVerifier(formatScramVerifier(verifier)), verifier)
    assert.equal(await matchesScram('correct horse', verifier), true)
    assert.equal(await matchesScram('correct Horse', verifier), false)
  })

  test('too few repetitions, and more than a login may cost, are no verifier', () => {
    const text = formatScramVerifier(makeScramVerifier('x', SALT))
    assert.equal(parseScramVerifier(text.replace('4096', '4095')), undefined)
    assert.equal(parseScramVerifier(text.replace('4096', '1000001')), undefined)
    fc.assert(fc.property(fc.string(), (noise) => void parseScramVerifier(noise)))
  })
})

/** A client that knows nothing of our code. */
async function logIn(dialogue: SmtpDialogue, username: string, secret: string): Promise<string> {
  const bare = `n=${username},r=fyko+d2lbbFgONRv9qkxdawL`
  const first = await dialogue.command(`AUTH SCRAM-SHA-256 ${Buffer.from(`n,,${bare}`).toString('base64')}`)
  if (first.code !== 334) return first.text
  const serverFirst = Buffer.from(first.text.slice(4), 'base64').toString()
  const [, nonce = '', salt = '', iterations] = /^r=([^,]+),s=([^,]+),i=(\d+)$/.exec(serverFirst) ?? []
  const salted = pbkdf2Sync(secret, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
  const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
  const clientKey = hmac(salted, 'Client Key')
  const message = `${bare},${serverFirst},c=biws,r=${nonce}`
  const signature = hmac(createHash('sha256').update(clientKey).digest(), message)
  const proof = Buffer.from(clientKey.map((octet, at) => octet ^ (signature[at] ?? 0))).toString('base64')
  const last = await dialogue.command(Buffer.from(`c=biws,r=${nonce},p=${proof}`).toString('base64'))
  if (last.code !== 334) return last.text
  const expected = `v=${hmac(hmac(salted, 'Server Key'), message).toString('base64')}`
  assert.equal(Buffer.from(last.text.slice(4), 'base64').toString(), expected)
  return (await dialogue.command('')).text
}

async function opened(fixture: Fixture): Promise<SmtpDialogue> {
  const dialogue = await fixture.open()
  await dialogue.reply()
  await dialogue.command('EHLO client.example.net')
  return dialogue
}

const SCRAM: FixtureOptions = {
  listener: { tls: 'implicit' },
  credentials: [{ username: USERNAME, secretHash: scramToken(SECRET) }],
}

describe('logging in without the secret crossing the wire', () => {
  test('the right secret proves itself on both sides, a wrong one and an unknown name look alike', async () => {
    const fixture = await startFixture(SCRAM)
    const dialogue = await opened(fixture)
    assert.match((await dialogue.command('EHLO x')).text, /AUTH SCRAM-SHA-256 PLAIN LOGIN/)
    assert.match(await logIn(dialogue, USERNAME, 'wrong'), /^535 5\.7\.8 /)
    assert.match(await logIn(dialogue, 'nobody', SECRET), /^535 5\.7\.8 /)
    assert.match(await logIn(dialogue, USERNAME, SECRET), /^235 2\.7\.0 /)
    assert.equal((await dialogue.command('MAIL FROM:<a@example.com>')).code, 250)
    await dialogue.quit()
    await fixture.close()
  })

  test('the same secret serves PLAIN', async () => {
    const fixture = await startFixture(SCRAM)
    const dialogue = await opened(fixture)
    assert.equal((await dialogue.command(authPlain(USERNAME, 'wrong'))).code, 535)
    assert.equal((await dialogue.command(authPlain(USERNAME, SECRET))).code, 235)
    await dialogue.quit()
    await fixture.close()
  })

  test('an unknown name has a salt of its own that stays', async () => {
    const fixture = await startFixture(SCRAM)
    const salts: string[] = []
    for (const name of ['nobody', 'nobody', 'somebody']) {
      const dialogue = await opened(fixture)
      const first = Buffer.from(`n,,n=${name},r=abc`).toString('base64')
      const { text } = await dialogue.command(`AUTH SCRAM-SHA-256 ${first}`)
      salts.push(/s=([^,]+)/.exec(Buffer.from(text.slice(4), 'base64').toString())?.[1] ?? '')
      await dialogue.command('*')
      await dialogue.quit()
    }
    assert.equal(salts[0], salts[1])
    assert.notEqual(salts[0], salts[2])
    await fixture.close()
  })

  test('is offered only when every login can use it: a client that prefers it must not fail', async () => {
    const fixture = await startFixture({
      ...SCRAM,
      credentials: [
        { username: USERNAME, secretHash: scramToken(SECRET) },
        { username: 'older', secretHash: hashToken(SECRET) },
      ],
    })
    const dialogue = await opened(fixture)
    assert.match((await dialogue.command('EHLO x')).text, /AUTH PLAIN LOGIN/)
    assert.match(await logIn(dialogue, USERNAME, SECRET), /^504 5\.5\.4 /)
    await dialogue.quit()
    await fixture.close()
  })

  test('too many failures lock it, but not for an address that has proven the secret lately', async () => {
    const authFailures = new AuthFailures({ windowMs: 600_000, perAddressMax: 1_000, perAccountMax: 3, entriesMax: 10 })
    const fixture = await startFixture({ ...SCRAM, authFailures, limits: { authFailuresPerSessionMax: 100 } })
    const dialogue = await opened(fixture)
    for (let n = 0; n < 4; n += 1) await logIn(dialogue, USERNAME, 'wrong')
    assert.match(await logIn(dialogue, USERNAME, SECRET), /^454 4\.7\.0 /)
    await dialogue.quit()
    await fixture.close()
    const lucky = new AuthFailures({ windowMs: 600_000, perAddressMax: 1_000, perAccountMax: 3, entriesMax: 10 })
    const before = await startFixture({ ...SCRAM, authFailures: lucky, limits: { authFailuresPerSessionMax: 100 } })
    const first = await opened(before)
    assert.match(await logIn(first, USERNAME, SECRET), /^235 /)
    await first.quit()
    const guesser = await opened(before)
    for (let n = 0; n < 4; n += 1) await logIn(guesser, USERNAME, 'wrong')
    assert.match(await logIn(guesser, USERNAME, SECRET), /^235 /)
    await guesser.quit()
    await before.close()
  })

  test('an exchange can be cancelled, and what is no answer ends it', async () => {
    const fixture = await startFixture(SCRAM)
    const dialogue = await opened(fixture)
    const first = Buffer.from(`n,,n=${USERNAME},r=abc`).toString('base64')
    assert.equal((await dialogue.command('AUTH SCRAM-SHA-256')).text.trimEnd(), '334')
    assert.equal((await dialogue.command(first)).code, 334)
    assert.match((await dialogue.command('*')).text, /^501 5\.7\.0 /)
    assert.equal((await dialogue.command(`AUTH SCRAM-SHA-256 ${first}`)).code, 334)
    assert.match((await dialogue.command(Buffer.from('c=biws').toString('base64'))).text, /^501 5\.5\.4 /)
    assert.equal((await dialogue.command('MAIL FROM:<a@example.com>')).code, 530)
    await dialogue.quit()
    await fixture.close()
  })
})
