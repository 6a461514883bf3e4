/** RFC 8461 §7.1, §7.2 and RFC 9325: what the relay offers a host in TLS, and what it believes. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { covers } from '../conformance/covers.ts'
import { clientHelloAt, FORWARD_SECRET, RSA_KEY_EXCHANGE } from '../lab/client-hello.ts'
import type { ScriptedMx } from '../lab/scripted-mx.ts'
import { type PolicyOptions, StsWorld } from '../lab/sts-world.ts'
import { SmtpDialogue } from '../lab/submit.ts'

const MX = 'mx.example.test'
const ENFORCE: PolicyOptions = { mode: 'enforce', mx: [MX] }
const ONE_HOST = { mx: { 'example.test': [[10, MX]] }, policies: { 'example.test': ENFORCE } } as const

/** STARTTLS as a client that is no relay does it. */
async function secured(
  { address, port }: ScriptedMx,
  options: { readonly servername: string; readonly session?: Buffer },
): Promise<TLSSocket> {
  const dialogue = await SmtpDialogue.open({ host: address, port })
  await dialogue.reply()
  await dialogue.command('EHLO client.test')
  assert.equal((await dialogue.command('STARTTLS')).code, 220)
  const socket = connect({ ...options, socket: dialogue.detach(), rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  return socket
}

for (const [certificateName, delivered] of [
  [MX, 1],
  ['provider.test', 0],
] as const) {
  test(`STS-92: a host that ignores the server name is judged by its one certificate alone: ${certificateName}, ${delivered} delivered`, async () => {
    covers('STS-92', { observe: 'smtp' })
    await using world = await StsWorld.start({ ...ONE_HOST, hosts: { [MX]: { certificateName } } })
    const mx = world.relay.mx(MX)
    const shown = new Set<string>()
    for (const servername of [MX, 'somebody.test']) {
      const socket = await secured(mx, { servername })
      shown.add(`${socket.getPeerX509Certificate()?.subjectAltName}`)
      socket.destroy()
    }
    assert.deepEqual([...shown], [`DNS:${certificateName}`], 'this host ignores the name')
    await world.send('example.test')
    assert.equal(mx.connections.at(-1)?.servername, MX)
    assert.equal(mx.messages.length, delivered)
  })
}

const NULL_COMPRESSION = 0
const RENEGOTIATION_SCSV = 0x00ff
const EXTENSION = {
  extendedMasterSecret: 23,
  preSharedKey: 41,
  earlyData: 42,
  renegotiationInfo: 0xff01,
} as const
test('STS-95: the ClientHello under an enforced policy follows BCP 195', async () => {
  covers('STS-95', { observe: 'smtp' })
  await using world = await StsWorld.start({ ...ONE_HOST, hosts: { [MX]: {} } })
  await world.send('example.test')
  assert.equal(world.relay.mx(MX).messages.length, 1)
  const { cipherSuites, compressionMethods, extensions, supportedVersions } = clientHelloAt(
    world.relay.mx(MX).connection,
  )
  assert.deepEqual([...supportedVersions].sort(), [0x0303, 0x0304])
  assert.deepEqual(compressionMethods, [NULL_COMPRESSION])
  const suites = cipherSuites.filter((suite) => suite !== RENEGOTIATION_SCSV)
  const known = suites.filter((suite) => FORWARD_SECRET.has(suite) || RSA_KEY_EXCHANGE.has(suite))
  assert.deepEqual(suites, known, 'no NULL, anonymous, export, RC4, DES or 3DES')
  assert.ok(suites.slice(0, 3).every((suite) => FORWARD_SECRET.has(suite)))
  assert.ok(extensions.includes(EXTENSION.extendedMasterSecret))
  assert.ok(extensions.includes(EXTENSION.renegotiationInfo) || cipherSuites.includes(RENEGOTIATION_SCSV))
  assert.ok(!extensions.includes(EXTENSION.earlyData) && !extensions.includes(EXTENSION.preSharedKey))
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const satisfies readonly SecureVersion[]) {
  test(`STS-96: ${version}: a session made without proof is not resumed where a policy demands it`, async () => {
    covers('STS-96', { observe: 'smtp' })
    await using world = await StsWorld.start({
      hosts: { [MX]: { tls: 'self-signed', tlsVersion: version } },
      mx: { 'free.test': [[10, MX]], 'example.test': [[10, MX]] },
      policies: { 'example.test': ENFORCE },
    })
    const mx = world.relay.mx(MX)
    assert.equal(await resumes(mx, version), true, 'this host lets sessions be resumed')
    const before = mx.connections.length
    await world.send('free.test')
    assert.equal(mx.messages.length, 1, 'made opportunistically')
    await world.send('example.test')
    const [free, enforced] = mx.connections.slice(before)
    assert.deepEqual([free?.resumed, enforced?.resumed], [false, false])
    assert.ok(enforced !== undefined && !clientHelloAt(enforced).extensions.includes(EXTENSION.preSharedKey))
    assert.deepEqual(enforced.commands.slice(-2), ['STARTTLS', 'QUIT'])
    assert.equal(mx.messages.length, 1)
  })
}

async function resumes(mx: ScriptedMx, version: SecureVersion): Promise<boolean> {
  const first = await secured(mx, { servername: MX })
  assert.equal(first.getProtocol(), version)
  // In TLS 1.3 the ticket follows the handshake, in 1.2 it is part of it.
  const session = version === 'TLSv1.2' ? first.getSession() : (await once(first, 'session'))[0]
  first.destroy()
  assert.ok(Buffer.isBuffer(session))
  const second = await secured(mx, { servername: MX, session })
  const resumed = second.isSessionReused()
  second.destroy()
  return resumed
}
