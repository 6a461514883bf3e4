/** The lab's certificates are what they say: OpenSSL, by way of `node:crypto` and `node:tls`, is the judge. */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import tls from 'node:tls'
import { createAuthority, type IssuedCertificate, selfSigned } from './ca.ts'

test('a leaf below an intermediate is trusted by who trusts the root, and by nobody else', async () => {
  const root = await createAuthority()
  const leaf = await (await root.intermediate()).issue({ names: ['mx.example.test'], addresses: ['192.0.2.1'] })
  assert.equal(await authorizationError(leaf, root.certificate), null)
  assert.equal(
    await authorizationError(leaf, (await createAuthority()).certificate),
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  )
  const certificate = new X509Certificate(leaf.certificate)
  assert.equal(certificate.checkHost('mx.example.test', { subject: 'never' }), 'mx.example.test')
  assert.equal(certificate.checkIP('192.0.2.1'), '192.0.2.1')
})

test('validity is days from now', async () => {
  const root = await createAuthority({ validFromDays: -30 })
  const expired = await root.issue({ names: ['mx.example.test'], validFromDays: -20, validToDays: -10 })
  assert.equal(await authorizationError(expired, root.certificate), 'CERT_HAS_EXPIRED')
  const early = await root.issue({ names: ['mx.example.test'], validFromDays: 10, validToDays: 20 })
  assert.equal(await authorizationError(early, root.certificate), 'CERT_NOT_YET_VALID')
})

test('a self-signed certificate is its own issuer and no CA', async () => {
  const made = new X509Certificate((await selfSigned({ names: ['mx.example.test'] })).certificate)
  assert.equal(made.issuer, made.subject)
  assert.equal(made.verify(made.publicKey), true)
  assert.equal(made.ca, false)
})

async function authorizationError(leaf: IssuedCertificate, ca: string): Promise<string | null> {
  const server = tls.createServer({ key: leaf.key, cert: leaf.chain })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert(address !== null && typeof address === 'object')
  const socket = tls.connect({
    port: address.port,
    host: '127.0.0.1',
    servername: 'mx.example.test',
    ca,
    rejectUnauthorized: false,
  })
  await once(socket, 'secureConnect')
  const error = socket.authorizationError as unknown
  socket.destroy()
  server.close()
  return error === null ? null : String(error)
}
