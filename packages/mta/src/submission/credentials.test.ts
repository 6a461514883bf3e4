import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, stat, unlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { AuthFailures } from './auth-failures.ts'
import {
  credentialProblem,
  generateCredential,
  parseCredentialFile,
  readCredentialFile,
  writeCredential,
} from './credential-file.ts'
import { type CredentialStore, openCredentials } from './credentials.ts'
import type { SubmissionEvent } from './events.ts'
import { hashPassword, hashToken, matchesSecret, parseSecretHash } from './secret-hash.ts'

const CHEAP = { N: 2 ** 10, r: 8, p: 1 }

let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hermetic-credentials-'))
})
after(() => rm(directory, { recursive: true }))

function newFile(): string {
  return join(directory, `${Math.random().toString(36).slice(2)}.json`)
}

async function verdict(store: CredentialStore, username: string, secret: string): Promise<string> {
  return (await store.verify(username, secret)).kind
}

describe('stored forms of secrets', () => {
  test('a generated secret has 160 bits and is stored as what SCRAM verifies', async () => {
    const { secret, record } = generateCredential('app')
    assert.equal(Buffer.from(secret, 'base64url').length, 20)
    assert.match(record.secretHash, /^SCRAM-SHA-256\$4096:/)
    assert.equal(record.secretHash.includes(secret), false)
    const hash = parseSecretHash(record.secretHash)
    assert(hash !== undefined)
    assert.equal(await matchesSecret(secret, hash), true)
    assert.equal(await matchesSecret(`${secret}x`, hash), false)
  })

  test('a password is stored with its own salt and cost', async () => {
    const [one, two] = [await hashPassword('tür', CHEAP), await hashPassword('tür', CHEAP)]
    assert.notEqual(one, two)
    const hash = parseSecretHash(one)
    assert(hash?.kind === 'scrypt')
    assert.deepEqual(hash.cost, CHEAP)
    assert.equal(await matchesSecret('tür', hash), true)
    assert.equal(await matchesSecret('tur', hash), false)
  })

  for (const text of [
    '',
    'plain',
    'sha256:abc',
    'scrypt:1000:8:1:c2FsdHNhbHRzYWx0:aGFzaA==',
    `scrypt:${2 ** 26}:8:1:${'A'.repeat(24)}:${'A'.repeat(44)}`,
    `scrypt:1024:8:0:${'A'.repeat(24)}:${'A'.repeat(44)}`,
  ]) {
    test(`${JSON.stringify(text.slice(0, 40))} is no hash`, () => assert.equal(parseSecretHash(text), undefined))
  }
})

describe('the file', () => {
  test('an account is added, replaced, and readable by its owner only', async () => {
    const file = newFile()
    const first = generateCredential('a')
    assert.deepEqual(await writeCredential(file, first.record), { ok: true, value: 'added' })
    assert.equal((await stat(file)).mode & 0o777, 0o600)
    await writeCredential(file, generateCredential('b', { allowedSenders: ['@example.com'] }).record)
    const again = generateCredential('a')
    assert.deepEqual(await writeCredential(file, again.record), { ok: true, value: 'replaced' })
    const read = await readCredentialFile(file)
    assert(read.ok)
    assert.deepEqual(
      read.value.map(({ username, secretHash }) => [username, secretHash === again.record.secretHash]),
      [
        ['b', false],
        ['a', true],
      ],
    )
  })

  test('two writers at once lose no account', async () => {
    const file = newFile()
    await Promise.all(['a', 'b', 'c'].map((name) => writeCredential(file, generateCredential(name).record)))
    const read = await readCredentialFile(file)
    assert.deepEqual(read.ok ? read.value.map(({ username }) => username).sort() : [], ['a', 'b', 'c'])
  })

  test('the lock of a writer that died is taken over', async () => {
    const file = newFile()
    await writeFile(`${file}.new`, '')
    const longAgo = new Date(Date.now() - 60_000)
    await utimes(`${file}.new`, longAgo, longAgo)
    assert.equal((await writeCredential(file, generateCredential('a').record)).ok, true)
  })

  test('a damaged file is not overwritten', async () => {
    const file = newFile()
    await writeFile(file, '{')
    assert.equal((await writeCredential(file, generateCredential('a').record)).ok, false)
    assert.equal(await readFile(file, 'utf8'), '{')
    await assert.rejects(stat(`${file}.new`))
  })

  for (const [rule, text, error] of [
    ['JSON of another kind', '[]', /version/],
    ['another version', '{"version":2,"credentials":[]}', /version/],
    ['an entry without a hash', '{"version":1,"credentials":[{"username":"a"}]}', /entry 1/],
    [
      'an entry with a bad hash',
      '{"version":1,"credentials":[{"username":"a","secretHash":"x"}]}',
      /entry 1: secret hash/,
    ],
    [
      'an entry with a bad sender',
      `{"version":1,"credentials":[{"username":"a","secretHash":"${hashToken('x')}","allowedSenders":["x"]}]}`,
      /entry 1: allowed sender/,
    ],
  ] as const) {
    test(`refuses ${rule}`, () => {
      const parsed = parseCredentialFile(text)
      assert.match(parsed.ok ? 'accepted' : parsed.error, error)
    })
  }

  test('a username has no control characters', () => {
    assert.notEqual(credentialProblem({ username: 'a\nb', secretHash: hashToken('x') }), undefined)
    assert.equal(credentialProblem({ username: 'a b', secretHash: hashToken('x') }), undefined)
  })
})

describe('the store', () => {
  test('reads the file again when it changed, and keeps the last good one when it is damaged', async () => {
    const file = newFile()
    const events: SubmissionEvent[] = []
    const store = await openCredentials({ file, fixed: [], emit: (event) => events.push(event) })
    const { secret, record } = generateCredential('a')
    assert.equal(await verdict(store, 'a', secret), 'rejected')
    await writeCredential(file, record)
    assert.equal(await verdict(store, 'a', secret), 'accepted')
    await writeFile(file, 'damaged')
    assert.equal(await verdict(store, 'a', secret), 'accepted')
    assert(events.some(({ event }) => event === 'credentials-unreadable'))
    await unlink(file)
    assert.equal(await verdict(store, 'a', secret), 'rejected')
  })

  test('accounts of the settings stand beside the file and win over it', async () => {
    const file = newFile()
    await writeCredential(file, { username: 'a', secretHash: hashToken('file') })
    const fixed = [{ username: 'a', secretHash: hashToken('settings') }]
    const store = await openCredentials({ file, fixed, emit: () => undefined })
    assert.equal(await verdict(store, 'a', 'settings'), 'accepted')
    assert.equal(await verdict(store, 'a', 'file'), 'rejected')
    assert.equal(await store.count(), 1)
  })

  test('a pair that was right is remembered for ten minutes, until the account changes', async () => {
    const file = newFile()
    let at = 0
    await writeCredential(file, { username: 'a', secretHash: await hashPassword('x', CHEAP) })
    const store = await openCredentials({ file, fixed: [], emit: () => undefined, now: () => at })
    assert.equal(await store.recall('a', 'x'), undefined)
    assert.equal(await verdict(store, 'a', 'x'), 'accepted')
    assert.equal((await store.recall('a', 'x'))?.username, 'a')
    assert.equal(await store.recall('a', 'y'), undefined)
    at += 9 * 60_000
    const again = await store.verify('a', 'x')
    assert.equal(again.kind === 'accepted' && again.remembered, true)
    at += 2 * 60_000
    assert.equal(await store.recall('a', 'x'), undefined)
    assert.equal(await verdict(store, 'a', 'x'), 'accepted')
    await writeCredential(file, { username: 'a', secretHash: await hashPassword('y', CHEAP) })
    assert.equal(await store.recall('a', 'x'), undefined)
    assert.equal(await verdict(store, 'a', 'x'), 'rejected')
  })

  test('of an account that somebody is logged in to it is known within a second whether it still is the same', async () => {
    const file = newFile()
    let at = 0
    const secretHash = hashToken('x')
    await writeCredential(file, { username: 'a', secretHash })
    const store = await openCredentials({ file, fixed: [], emit: () => undefined, now: () => at })
    const login = await store.verify('a', 'x')
    assert(login.kind === 'accepted')
    const now = async () => store.current(login.account)
    assert.equal((await now())?.tag, undefined)
    await writeCredential(file, { username: 'a', secretHash, tag: 'shop' })
    at += 1_000
    assert.equal((await now())?.tag, 'shop')
    await writeCredential(file, { username: 'a', secretHash: hashToken('y') })
    assert.equal((await now())?.tag, 'shop')
    at += 1_000
    assert.equal(await now(), undefined)
    await writeCredential(file, { username: 'a', secretHash })
    at += 1_000
    assert.equal((await now())?.username, 'a')
    await unlink(file)
    at += 1_000
    assert.equal(await now(), undefined)
  })

  test('at most two slow hashes run at once; unknown names and wrong tokens need a place as well', async () => {
    const slow = await hashPassword('x', { N: 2 ** 14, r: 8, p: 1 })
    const fixed = [
      { username: 'person', secretHash: slow },
      { username: 'app', secretHash: hashToken('token') },
    ]
    const store = await openCredentials({ fixed, emit: () => undefined })
    for (const [username, secret] of [
      ['person', 'wrong'],
      ['nobody', 'wrong'],
      ['app', 'wrong'],
    ] as const) {
      const kinds = await Promise.all([1, 2, 3, 4].map(() => verdict(store, username, secret)))
      assert.deepEqual(kinds.sort(), ['busy', 'busy', 'rejected', 'rejected'], username)
    }
    const busy = [verdict(store, 'nobody', 'a'), verdict(store, 'nobody', 'b')]
    assert.equal(await verdict(store, 'app', 'token'), 'accepted')
    await Promise.all(busy)
  })

  test('a file that cannot be read is an event, not an end', {
    skip: process.getuid?.() === 0 ? 'root reads everything' : false,
  }, async () => {
    const file = newFile()
    await writeCredential(file, generateCredential('a').record)
    await chmod(file, 0)
    const events: SubmissionEvent[] = []
    await openCredentials({ file, fixed: [], emit: (event) => events.push(event) })
    assert.equal(events[0]?.event, 'credentials-unreadable')
  })
})

describe('failures in a window', () => {
  const limits = { windowMs: 1_000, perAddressMax: 3, perAccountMax: 5, entriesMax: 6 }

  test('an address is limited, and free again when the window has passed', () => {
    const failures = new AuthFailures(limits)
    for (const username of ['a', 'b', 'c']) failures.failed('192.0.2.1', username, 0)
    assert.equal(failures.exceeded('192.0.2.1', 'd', 0), true)
    assert.equal(failures.exceeded('192.0.2.2', 'a', 0), false)
    assert.equal(failures.exceeded('192.0.2.1', 'd', 1_500), false)
    for (let count = 0; count < 2; count += 1) failures.failed('192.0.2.1', 'a', 1_500)
    assert.equal(failures.exceeded('192.0.2.1', 'd', 1_500), true, 'half of the window before still counts')
    assert.equal(failures.exceeded('192.0.2.1', 'd', 4_000), false)
  })

  test('an account is limited over all addresses, an IPv6 site as one address', () => {
    const failures = new AuthFailures({ ...limits, entriesMax: 100 })
    for (let host = 1; host <= 5; host += 1) failures.failed(`192.0.2.${host}`, 'a', 0)
    assert.equal(failures.exceeded('198.51.100.1', 'a', 0), true)
    for (let host = 1; host <= 3; host += 1) failures.failed(`2001:db8::${host}`, `u${host}`, 0)
    assert.equal(failures.exceeded('2001:db8::ffff', 'x', 0), true)
    assert.equal(failures.exceeded('2001:db8:0:1::1', 'x', 0), false)
  })

  test('the table stays bounded and forgets the oldest', () => {
    const failures = new AuthFailures(limits)
    for (let host = 0; host < 50; host += 1) failures.failed(`192.0.2.${host}`, `u${host}`, 0)
    assert.equal(failures.size <= limits.entriesMax + 1, true)
  })
})
