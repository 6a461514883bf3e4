import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { selfSignedCertificate } from './self-signed.ts'

const DAY_MS = 86_400_000
let directory: string

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hermetic-self-signed-'))
})
after(() => rm(directory, { recursive: true }))

test('the loopback certificate names every way to say loopback, is kept privately, and is the same at the next start', async () => {
  const options = { directory, hostname: 'relay.example.com' }
  const made = await selfSignedCertificate(options)
  createSecureContext(made)
  const certificate = new X509Certificate(made.cert)
  for (const name of ['localhost', 'relay.example.com']) assert.notEqual(certificate.checkHost(name), undefined, name)
  for (const address of ['127.0.0.1', '::1']) assert.notEqual(certificate.checkIP(address), undefined, address)
  assert.equal(certificate.ca, false)
  assert.equal((await stat(join(directory, 'self-signed.pem'))).mode & 0o777, 0o600)
  assert.deepEqual(await selfSignedCertificate(options), made)
})

test('it is made anew for another name, before it ends, and when the file is damaged', async () => {
  const options = { directory, hostname: 'relay.example.com' }
  const made = await selfSignedCertificate(options)
  const literal = await selfSignedCertificate({ directory, hostname: '[192.0.2.1]' })
  assert.notEqual(literal.cert, made.cert)
  assert.notEqual(new X509Certificate(literal.cert).checkIP('192.0.2.1'), undefined)
  const early = await selfSignedCertificate({ ...options, now: Date.now() + 300 * DAY_MS })
  assert.deepEqual(await selfSignedCertificate({ ...options, now: Date.now() + 300 * DAY_MS + 1 }), early)
  const late = await selfSignedCertificate({ ...options, now: Date.now() + 640 * DAY_MS })
  assert.notEqual(late.cert, early.cert)
  await writeFile(join(directory, 'self-signed.pem'), 'damaged')
  assert.match((await selfSignedCertificate(options)).key, /^-----BEGIN PRIVATE KEY-----/)
})
