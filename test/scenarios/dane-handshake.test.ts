/** DANE inside the handshake: what our ClientHello offers (RFC 7672 §8), and where a DANE-TA anchor comes from (RFC 7671 §5.2). */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { describe, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { type Authority, createAuthority } from '../lab/ca.ts'
import { clientHelloAt, FORWARD_SECRET, RSA_KEY_EXCHANGE } from '../lab/client-hello.ts'
import { DOMAIN, MX, startDaneWorld, tlsaOf, tlsaOwner } from '../lab/dane-world.ts'
import type { NameRecords } from '../lab/dns-server.ts'
import { StsWorld } from '../lab/sts-world.ts'

/** RFC 7250 §3. */
const CLIENT_CERTIFICATE_TYPE = 19
const SERVER_CERTIFICATE_TYPE = 20
const TLS_1_2 = 0x0303
const TLS_1_3 = 0x0304

describe('the ClientHello to a host with TLSA records', () => {
  test('DANE-82: asks for X.509 certificates only, whatever the records say', async () => {
    covers('DANE-82', { observe: 'smtp' })
    for (const usage of [2, 3] as const) {
      await using world = await startDaneWorld({ certificate: usage === 3 ? 'self-signed' : 'ta-good' })
      await world.send(DOMAIN)
      const { connection, messages } = world.relay.mx(MX)
      assert.equal(messages.length, 1)
      const { extensions } = clientHelloAt(connection)
      assert.ok(!extensions.includes(CLIENT_CERTIFICATE_TYPE) && !extensions.includes(SERVER_CERTIFICATE_TYPE))
    }
  })

  test('DANE-86, DANE-88: is one of TLS 1.2 or newer, with SNI, and no anonymous suite', async () => {
    covers(['DANE-86', 'DANE-88'], { observe: 'smtp' })
    for (const tlsa of ['match', 'none'] as const) {
      await using world = await startDaneWorld({ certificate: 'self-signed', tlsa })
      await world.send(DOMAIN)
      const { connection } = world.relay.mx(MX)
      // An SSLv2 hello begins with a length and the octet 1, and this is asserted to be a TLS handshake record.
      const { cipherSuites, supportedVersions, serverNames } = clientHelloAt(connection)
      assert.deepEqual([...supportedVersions].sort(), [TLS_1_2, TLS_1_3])
      assert.deepEqual(serverNames, [MX])
      const SIGNALLING = [0x00ff, 0x5600]
      const named = new Set([...FORWARD_SECRET, ...RSA_KEY_EXCHANGE, ...SIGNALLING])
      assert.deepEqual(
        cipherSuites.filter((suite) => !named.has(suite)),
        [],
        'suites with a server certificate only',
      )
    }
  })
})

test('DANE-89: a server that would like a client certificate gets none, and the mail arrives', async () => {
  covers('DANE-89', { observe: 'smtp' })
  for (const tlsVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await using world = await startDaneWorld({ host: { asksForCertificate: true, tlsVersion } })
    await world.send(DOMAIN)
    const { connection, messages } = world.relay.mx(MX)
    assert.deepEqual([messages.map(({ inTls }) => inTls), connection.showedCertificate], [[true], false])
  }
})

describe('RFC 7671 §5.2.2: the anchor of DANE-TA', () => {
  test('DANE-66: is looked for in what the server sent; no root of ours is needed', async () => {
    covers('DANE-66', { observe: 'smtp' })
    await arrives({ sends: 'chain-and-root', published: (root) => [tlsaOf(root.certificate, 2)] }, true)
  })

  test('DANE-67: may stand in DNS alone, whole: a leaf that was sent alone is enough', async () => {
    covers('DANE-67', { observe: 'smtp' })
    await arrives({ sends: 'leaf', published: (root) => [wholeOf(root)] }, true)
  })

  test('DANE-69: a digest of a certificate that was not sent proves nothing', async () => {
    covers('DANE-69', { observe: 'smtp' })
    await arrives({ sends: 'leaf', published: (root) => [tlsaOf(root.certificate, 2)] }, false)
  })

  interface Anchored {
    readonly sends: 'leaf' | 'chain-and-root'
    readonly published: (root: Authority) => NonNullable<NameRecords['TLSA']>
  }

  async function arrives({ sends, published }: Anchored, expected: boolean): Promise<void> {
    const root = await createAuthority()
    const { key, certificate } = await root.issue({ names: [MX] })
    const cert = sends === 'leaf' ? certificate : certificate + root.certificate
    await using world = await StsWorld.start({
      hosts: { [MX]: { pair: { key, cert } } },
      mx: { [DOMAIN]: [[10, MX]] },
      dnssec: {},
      delivery: { ca: [] },
    })
    world.serve({ [tlsaOwner(world, MX)]: { TLSA: published(root) } })
    await world.send(DOMAIN)
    assert.equal(world.relay.mx(MX).messages.length, expected ? 1 : 0)
    assert.equal(world.relay.mx(MX).connections.length, 1)
  }
})

/** `2 0 0` */
function wholeOf({ certificate }: Authority) {
  return { usage: 2, selector: 0, matchingType: 0, data: new Uint8Array(new X509Certificate(certificate).raw) }
}
