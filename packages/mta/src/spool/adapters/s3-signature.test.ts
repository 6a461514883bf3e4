/**
 * Whether a store that compares signatures would take ours: s3rver compares none. A verifier of AWS Signature Version 4 as
 * the documents of S3 have it, held to their published example, then asked about every kind of request that we make.
 */
import assert from 'node:assert/strict'
import { createHash, createHmac, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { S3Bucket } from './s3-bucket.ts'

interface Sent {
  readonly method: string
  /** Path and query, as they came. */
  readonly target: string
  readonly headers: IncomingHttpHeaders
  readonly body: Uint8Array
}

/** The signature that belongs to a request, by the secret of its key. */
function signatureOf({ method, target, headers, body }: Sent, secret: string): string {
  const [, scope = '', names = ''] =
    /Credential=[^/]+\/([^,]+), ?SignedHeaders=([^,]+)/.exec(headers.authorization ?? '') ?? []
  const [date = '', region = '', service = ''] = scope.split('/')
  assert.equal(headers['x-amz-content-sha256'], hex(body), 'the payload is what was signed')
  const [path = '', query = ''] = target.split('?')
  const canonical = [
    method,
    path.split('/').map(canonicalWord).join('/'),
    query.split('&').map(canonicalPair).sort().join('&'),
    ...names.split(';').map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    names,
    hex(body),
  ].join('\n')
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hex(canonical)].join('\n')
  const key = [date, region, service, 'aws4_request'].reduce<string | Buffer>(mac, `AWS4${secret}`)
  return mac(key, text).toString('hex')
}

/** However it was escaped on the way: all but letters, digits and `-._~`. */
function canonicalWord(word: string): string {
  const escaped = (sign: string): string => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`
  return encodeURIComponent(decodeURIComponent(word)).replace(/[!'()*]/g, escaped)
}

function canonicalPair(pair: string): string {
  return pair === '' ? '' : pair.split('=').map(canonicalWord).join('=')
}

function mac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}

function hex(bytes: string | Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function shownIn({ headers }: Sent): string | undefined {
  return /Signature=([0-9a-f]+)$/.exec(headers.authorization ?? '')?.[1]
}

/** "Signature Calculations for the Authorization Header", example GET Object, of the API reference of S3. */
const PUBLISHED: Sent = {
  method: 'GET',
  target: '/test.txt',
  headers: {
    host: 'examplebucket.s3.amazonaws.com',
    range: 'bytes=0-9',
    'x-amz-content-sha256': hex(''),
    'x-amz-date': '20130524T000000Z',
    authorization:
      'AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,' +
      'SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,' +
      'Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  },
  body: new Uint8Array(),
}

test('the verifier agrees with the published example, and with no other secret', () => {
  const secret = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
  assert.equal(signatureOf(PUBLISHED, secret), shownIn(PUBLISHED))
  assert.notEqual(signatureOf(PUBLISHED, `${secret}x`), shownIn(PUBLISHED))
})

test('every request to a bucket is signed as a store verifies it: objects, parts, lists, with a prefix that needs escapes', async () => {
  const secretAccessKey = 'a secret/of+this=run'
  const sent: Sent[] = []
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray())
    const { method = '', url: target = '', headers } = request
    sent.push({ method, target, headers, body })
    const isStart = target.endsWith('?uploads=')
    response.setHeader('etag', '"e"').end(isStart ? '<UploadId>a+b/c=</UploadId>' : '<Key>none</Key>')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const directory = mkdtempSync(join(tmpdir(), 's3-signature-'))
  try {
    const bucket = new S3Bucket({
      ...{ endpoint: `http://127.0.0.1:${address.port}`, bucket: 'mail', prefix: 'mail of (a)+b/é/' },
      ...{ region: 'eu-central-1', accessKeyId: 'AKIAEXAMPLE', secretAccessKey },
    })
    const large = join(directory, 'large')
    writeFileSync(large, randomBytes(9 * 1024 * 1024))
    await bucket.put('aa/one', randomBytes(100))
    await bucket.putFile('bb/two', large)
    for await (const _ of await bucket.get('aa/one'));
    await bucket.list('a')
    await bucket.first()
    await bucket.remove('aa/one')
    assert.deepEqual(
      sent.map(({ method }) => method),
      ['PUT', 'POST', 'PUT', 'PUT', 'POST', 'GET', 'GET', 'GET', 'DELETE'],
    )
    for (const one of sent) {
      assert.match(one.headers.authorization ?? '', /\/eu-central-1\/s3\/aws4_request/)
      assert.equal(signatureOf(one, secretAccessKey), shownIn(one), `${one.method} ${one.target}`)
    }
  } finally {
    rmSync(directory, { recursive: true })
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
})
