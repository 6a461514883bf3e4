/** Fetching a policy from real policy hosts on loopback: what is asked, what is believed, what is refused. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { covers } from '../../../../test/conformance/covers.ts'
import type { CertificateVariant } from '../../../../test/lab/policy-certificates.ts'
import type { PolicyAnswer, PolicyHost } from '../../../../test/lab/policy-host.ts'
import { type ClientOptions, domainName, PolicyHostWorld } from '../../../../test/lab/policy-host-world.ts'
import type { Result } from '../result.ts'
import { type FetchedPolicy, fetchPolicy, POLICY_BYTES_MAX } from './fetch.ts'
import { type PolicyFetchError, policyFetchReport } from './fetch-error.ts'

const DOMAIN = 'example.test'
const POLICY = 'version: STSv1\r\nmode: enforce\r\nmx: mx.example.test\r\nmax_age: 86400\r\n'

let world: PolicyHostWorld
let host: PolicyHost
before(async () => {
  world = await PolicyHostWorld.start()
  host = await world.policyHost(DOMAIN)
})
after(() => world[Symbol.asyncDispose]())

describe('RFC 8461 §3.2: the request', () => {
  test('STS-23: one GET for the fixed path at the policy host', async () => {
    covers('STS-23', { observe: 'https' })
    const { requests } = await served({ body: POLICY })
    assert.equal(requests.length, 1)
    assert.equal(requests[0]?.method, 'GET')
    assert.equal(requests[0]?.target, '/.well-known/mta-sts.txt')
    assert.equal(requests[0]?.fields.get('host'), `mta-sts.example.test:${host.port}`)
  })

  test('STS-23: the port is 443 unless a test says otherwise', async () => {
    covers('STS-23', { observe: 'https' })
    const asked: number[] = []
    const https: Parameters<typeof fetchPolicy>[1]['https'] = {
      get: async ({ port }) => {
        asked.push(port)
        return { ok: false, error: { kind: 'aborted' } }
      },
    }
    await fetchPolicy(domainName(DOMAIN), { https })
    assert.deepEqual(asked, [443])
  })

  test('STS-27: the ClientHello names the policy host', async () => {
    covers('STS-27', { observe: 'https' })
    host.serverNames.length = 0
    await served({ body: POLICY })
    assert.deepEqual(host.serverNames, ['mta-sts.example.test'])
  })

  test('STS-33 STS-44: nothing but what is needed: no condition, credential, cookie or coding', async () => {
    covers(['STS-33', 'STS-44'], { observe: 'https' })
    const { requests } = await served({ body: POLICY, fields: { 'Set-Cookie': 'a=b' } })
    const again = await served({ body: POLICY })
    for (const request of [...requests, ...again.requests]) {
      assert.deepEqual([...request.fields.keys()].sort(), ['accept-encoding', 'connection', 'host', 'user-agent'])
      assert.equal(request.fields.get('accept-encoding'), 'identity')
    }
  })

  test('a domain that leaves no room for the policy host name is told so without a query', async () => {
    const long = domainName(`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(50)}.test`)
    const result = await fetchPolicy(long, { https: world.client() })
    assert.deepEqual(result, { ok: false, error: { kind: 'policy-host-name' } })
  })
})

describe('RFC 8461 §3.3: the certificate', () => {
  const table: readonly (readonly [CertificateVariant, 'accepted' | 'untrusted' | 'expired' | 'name'])[] = [
    ['good', 'accepted'],
    ['wildcard', 'accepted'],
    ['expired', 'expired'],
    ['not-yet-valid', 'expired'],
    ['self-signed', 'untrusted'],
    ['unknown-authority', 'untrusted'],
    ['incomplete-chain', 'untrusted'],
    ['client-only', 'untrusted'],
    ['wrong-name', 'name'],
    ['common-name-only', 'name'],
    ['address-only', 'name'],
    ['partial-wildcard', 'name'],
    ['double-wildcard', 'name'],
    ['shallow-wildcard', 'name'],
    ['inner-wildcard', 'name'],
  ]
  for (const [variant, expected] of table) {
    test(`STS-24 STS-25 STS-26: ${variant}: ${expected}`, async () => {
      covers(['STS-24', 'STS-25', 'STS-26'], { observe: 'https' })
      const shown = await world.policyHost('cert.example.test', { certificate: variant, answer: { body: POLICY } })
      const result = await fetchFrom(shown, 'cert.example.test')
      assert.equal(result.ok ? 'accepted' : result.error.kind === 'webpki' && result.error.reason, expected)
      assert.equal(shown.requests.length, expected === 'accepted' ? 1 : 0, 'nothing is asked before the proof')
      if (!result.ok) assert.equal(policyFetchReport(result.error)?.resultType, 'sts-webpki-invalid')
    })
  }

  test('STS-24: an authority that nobody added is not believed', async () => {
    covers('STS-24', { observe: 'https' })
    host.answer = { body: POLICY }
    assert.equal(failure(await fetchFrom(host, DOMAIN, { ca: [] })).kind, 'webpki')
  })

  test('STS-30: a policy host that is an alias must still show its own name', async () => {
    covers('STS-30', { observe: 'https' })
    const provider = await world.policyHost('provider.test', { answer: { body: POLICY } })
    world.publish({ 'mta-sts.user.test': { CNAME: 'mta-sts.provider.test' } })
    const error = failure(await fetchFrom(provider, 'user.test'))
    assert.equal(error.kind === 'webpki' && error.reason, 'name')
    assert.deepEqual(provider.serverNames, ['mta-sts.user.test'])
    assert.equal((await fetchFrom(provider, 'provider.test')).ok, true)
  })

  test('STS-28: TLS 1.2 and 1.3 are spoken, nothing older', async () => {
    covers('STS-28', { observe: 'https' })
    const expected = { TLSv1: 'tls', 'TLSv1.1': 'tls', 'TLSv1.2': 'TLSv1.2', 'TLSv1.3': 'TLSv1.3' } as const
    for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const) {
      const tls = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }
      const old = await world.policyHost('old.example.test', { tls, answer: { body: POLICY } })
      const result = await fetchFrom(old, 'old.example.test')
      assert.equal(result.ok ? result.value.document.peer.protocol : result.error.kind, expected[version])
    }
  })
})

describe('RFC 8461 §3.3: the response', () => {
  test('gives the policy, the document as served, and who served it', async () => {
    const { result } = await served({ body: POLICY })
    assert(result.ok)
    assert.equal(result.value.policy.mode, 'enforce')
    assert.equal(Buffer.from(result.value.document.body).toString(), POLICY)
    assert.equal(result.value.document.address, '127.0.0.1')
    assert.equal(result.value.policyHost, 'mta-sts.example.test')
    assert.deepEqual(result.value.document.peer.name, { kind: 'matched', name: 'mta-sts.example.test' })
  })

  for (const status of [201, 203, 204, 206, 304, 400, 404, 410, 500, 503]) {
    test(`STS-31: status ${status} is no policy, whatever its body`, async () => {
      covers('STS-31', { observe: 'https' })
      const { result } = await served({ status, body: POLICY })
      assert.deepEqual(failure(result), { kind: 'status', address: '127.0.0.1', status })
    })
  }

  for (const status of [300, 301, 302, 303, 307, 308]) {
    test(`STS-32: ${status} is not followed, not even to the same host`, async () => {
      covers('STS-32', { observe: 'https' })
      const Location = `https://mta-sts.example.test:${host.port}/.well-known/mta-sts.txt`
      const before = host.connections
      const { result, requests } = await served({ status, fields: { Location }, body: POLICY })
      const error = failure(result)
      assert.deepEqual(error, { kind: 'status', address: '127.0.0.1', status })
      assert.deepEqual([requests.length, host.connections - before], [1, 1])
      assert.deepEqual(policyFetchReport(error), {
        resultType: 'sts-policy-fetch-error',
        failureReasonCode: `status-${status}`,
      })
    })
  }

  test('STS-33: cache fields of HTTP change nothing: each fetch is a GET of its own, and each is believed', async () => {
    covers('STS-33', { observe: 'https' })
    const validators = { ETag: '"1"', 'Last-Modified': 'Mon, 01 Jan 2024 00:00:00 GMT' }
    const https = world.client()
    for (const control of ['max-age=31536000', 'no-store', 'private, no-cache']) {
      const fields = { ...validators, 'Cache-Control': control, Age: '99999999', Expires: '0' }
      host.answer = { body: POLICY, fields }
      const before = host.requests.length
      const result = await fetchPolicy(domainName(DOMAIN), { https, httpsPort: host.port })
      assert.equal(result.ok && result.value.policy.maxAgeSeconds, 86400)
      assert.equal(host.requests.length - before, 1)
    }
  })

  for (const [contentType, accepted] of [
    ['text/plain', true],
    ['text/plain; charset=iso-8859-1; x=y', true],
    ['Text/PLAIN ;charset=utf-8', true],
    ['text/plain;', true],
    ['text/html', false],
    ['text/plainer', false],
    ['text', false],
    ['application/octet-stream', false],
    ['text/html; x=text/plain', false],
    ['', false],
    [['text/html', 'text/plain'], false],
    [['text/plain', 'text/plain'], false],
  ] as const) {
    test(`STS-34: Content-Type ${JSON.stringify(contentType)}: ${accepted ? 'accepted' : 'refused'}`, async () => {
      covers('STS-34', { observe: 'https' })
      const { result } = await served({ body: POLICY, fields: { 'Content-Type': contentType } })
      assert.equal(result.ok ? 'accepted' : result.error.kind, accepted ? 'accepted' : 'media-type')
    })
  }

  test('STS-35: a missing Content-Type is not text/plain', async () => {
    covers('STS-35', { observe: 'https' })
    const error = failure((await served({ body: POLICY, fields: { 'Content-Type': undefined } })).result)
    assert.deepEqual(error, { kind: 'media-type', address: '127.0.0.1', mediaType: undefined })
    assert.equal(policyFetchReport(error)?.failureReasonCode, 'media-type')
  })

  test('an invalid document is told from one that could not be had', async () => {
    const error = failure((await served({ body: 'version: STSv1\nmode: enforced\n' })).result)
    assert.equal(error.kind, 'policy-invalid')
    assert.equal(policyFetchReport(error)?.resultType, 'sts-policy-invalid')
  })
})

describe('RFC 8461 §3.3: bounds', () => {
  const padded = (size: number) => POLICY.padEnd(size - 1, `x-padding: ${'y'.repeat(80)}\n`).concat('\n')

  for (const framing of ['length', 'chunked'] as const) {
    test(`STS-37: 65,536 octets are accepted, one more is not (${framing})`, async () => {
      covers('STS-37', { observe: 'https' })
      for (const [size, expected] of [
        [64_000, 'accepted'],
        [POLICY_BYTES_MAX, 'accepted'],
        [POLICY_BYTES_MAX + 1, 'too-large'],
        [10 * POLICY_BYTES_MAX, 'too-large'],
      ] as const) {
        const body = padded(size)
        assert.equal(body.length, size)
        const { result } = await served(framing === 'length' ? { body } : { raw: chunked(body, 9000) })
        assert.equal(result.ok ? 'accepted' : result.error.kind, expected, `${size} octets`)
      }
    })
  }

  test('STS-38: a policy whose beginning would be a valid policy is refused when it is cut', async () => {
    covers('STS-38', { observe: 'https' })
    const body = `${POLICY}mx: mx2.example.test\r\n`
    const whole = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n`
    const withoutLength = `${whole}Connection: close\r\n\r\n${POLICY}`
    const cut = [
      { raw: `${whole}Content-Length: ${body.length}\r\n\r\n${POLICY}` },
      { raw: `${whole}Content-Length: ${body.length}\r\n\r\n${POLICY}`, afterwards: 'reset' as const },
      { raw: chunked(body, POLICY.length), octets: chunked(body, POLICY.length).indexOf('mx2') },
      { raw: chunked(POLICY, 1000).slice(0, -5) },
    ]
    for (const answer of cut) assert.equal(failure((await served(answer)).result).kind, 'truncated')
    // Only the end of the connection marks the end: it cannot be told from a cut.
    assert.equal(failure((await served({ raw: withoutLength })).result).kind, 'malformed')
  })

  test('STS-38: content codings are refused before a byte is expanded', async () => {
    covers('STS-38', { observe: 'https' })
    const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024, 'x'))
    assert(bomb.length < POLICY_BYTES_MAX)
    const { result } = await served({ body: bomb, fields: { 'Content-Encoding': 'gzip' } })
    assert.equal(failure(result).kind, 'content-encoding')
    for (const coding of ['deflate', 'br', 'zstd', 'x-unknown', 'identity, gzip', ['identity', 'gzip']]) {
      const { result: other } = await served({ body: POLICY, fields: { 'Content-Encoding': coding } })
      assert.equal(failure(other).kind, 'content-encoding')
    }
    assert.equal((await served({ body: POLICY, fields: { 'Content-Encoding': 'identity' } })).result.ok, true)
    const hidden = { raw: chunked(bomb.toString('latin1'), 9000).replace('chunked', 'gzip, chunked') }
    assert.equal(failure((await served(hidden)).result).kind, 'malformed')
  })

  for (const [phase, prepare] of [
    ['response', { answer: { silent: true } }],
    ['body', { answer: { body: POLICY, drip: { octets: 1, everyMs: 50 } } }],
    ['tls', { fault: 'silent-at-accept' }],
  ] as const) {
    test(`STS-36: one deadline over everything, here in the phase ${phase}`, async () => {
      covers('STS-36', { observe: 'https' })
      const slow = await world.policyHost('slow.example.test', 'answer' in prepare ? { answer: prepare.answer } : {})
      if ('fault' in prepare) slow.fault = prepare.fault
      const begun = performance.now()
      const error = failure(await fetchFrom(slow, 'slow.example.test', { deadlineMs: 400 }))
      const took = performance.now() - begun
      assert.deepEqual(error, { kind: 'timeout', phase })
      assert(took >= 390 && took < 2000, `${took} ms`)
    })
  }

  test('STS-36: the deadline is 60 s unless a test says otherwise', async ({ mock }) => {
    covers('STS-36', { observe: 'https' })
    mock.timers.enable({ apis: ['setTimeout'] })
    const asked = Promise.withResolvers<void>()
    host.answer = () => {
      asked.resolve()
      return { silent: true }
    }
    let ended = false
    const result = fetchFrom(host, DOMAIN).finally(() => {
      ended = true
    })
    await asked.promise
    mock.timers.tick(59_999)
    await setImmediate()
    assert.equal(ended, false)
    mock.timers.tick(1)
    assert.deepEqual(failure(await result), { kind: 'timeout', phase: 'response' })
  })

  test('STS-36: the deadline covers the lookup of the name', async () => {
    covers('STS-36', { observe: 'https' })
    world.dns.fail('mta-sts.mute.test', { kind: 'drop' })
    const error = failure(await fetchFrom(host, 'mute.test', { deadlineMs: 200 }))
    assert.deepEqual(error, { kind: 'timeout', phase: 'dns' })
  })

  test('two domains with the same policy at one provider are two fetches', async () => {
    const { key, chain } = await world.authority.issue({ names: ['mta-sts.one.test', 'mta-sts.two.test'] })
    const provider = await world.policyHost('one.test', { tls: { key, cert: chain }, answer: { body: POLICY } })
    world.publish({ 'mta-sts.two.test': { A: [provider.address] } })
    const https = world.client()
    for (const domain of ['one.test', 'two.test']) {
      assert.equal((await fetchPolicy(domainName(domain), { https, httpsPort: provider.port })).ok, true)
    }
    assert.deepEqual(provider.serverNames, ['mta-sts.one.test', 'mta-sts.two.test'])
    assert.equal(provider.requests.length, 2)
  })
})

async function served(answer: PolicyAnswer) {
  host.answer = answer
  const before = host.requests.length
  const result = await fetchFrom(host, DOMAIN)
  return { result, requests: host.requests.slice(before) }
}

function fetchFrom(from: PolicyHost, domain: string, options: ClientOptions = {}) {
  return fetchPolicy(domainName(domain), { https: world.client(options), httpsPort: from.port })
}

function failure(result: Result<FetchedPolicy, PolicyFetchError>): PolicyFetchError {
  assert(!result.ok, 'a policy was believed')
  return result.error
}

function chunked(body: string, size: number): string {
  const chunks = body.match(new RegExp(`[^]{1,${size}}`, 'g')) ?? []
  const coded = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')
  return `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n${coded}0\r\n\r\n`
}
