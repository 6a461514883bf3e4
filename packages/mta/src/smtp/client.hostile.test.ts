/** Peers that are broken or mean: whatever they do, the client ends with a reason, in bounded time and memory. */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import { CLIENT_NAME, connected, dial, introduced, mail, PATIENT, told } from './client.samples.ts'
import { SmtpConnection } from './client.ts'

describe('replies without end', () => {
  for (const [rule, endless, detail] of [
    ['a line without end', 'x'.repeat(1000), 'reply-too-long'],
    ['digits without end', '2'.repeat(1000), 'reply-too-long'],
    ['lines without end', '220-more\r\n'.repeat(100), 'reply-too-long'],
    ['long lines without end', `220-${'x'.repeat(3000)}\r\n`, 'reply-too-long'],
    ['empty lines without end', '\r\n'.repeat(100), 'malformed-reply'],
  ] as const) {
    test(`a greeting of ${rule} is given up`, async () => {
      await using mx = await ScriptedMx.start({ script: { CONNECT: { endless } } })
      const failed = await dial(mx)
      assert.deepEqual(failed, { ok: false, error: { kind: 'protocol-violation', phase: 'greeting', detail } })
      await mx.connection.ended
    })
  }

  test('SMTP-11: 513 lines are too many, in bounded memory', async () => {
    covers('SMTP-11', { observe: 'smtp' })
    await using mx = await ScriptedMx.start({ script: { EHLO: { raw: `${'250-X\r\n'.repeat(512)}250 X\r\n` } } })
    const connection = await connected(mx)
    assert.deepEqual(await connection.ehlo(CLIENT_NAME), {
      ok: false,
      error: { kind: 'protocol-violation', phase: 'ehlo', detail: 'reply-too-long' },
    })
  })

  test('a peer that goes on talking after our QUIT is closed all the same', async () => {
    await using mx = await ScriptedMx.start({ script: { MAIL: { raw: 'bogus\r\n', endless: 'more\r\n' } } })
    const connection = await introduced(mx)
    assert.deepEqual(told(await connection.transact(mail())), ['unsettled', 'protocol-violation in mail'])
    await mx.connection.ended
  })
})

describe('replies out of place', () => {
  for (const [rule, raw] of [
    ['one answer too many', '250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n250 and more\r\n'],
    ['answers to everything before anything was sent', '250 ok\r\n250 ok\r\n354 go\r\n250 taken\r\n'],
  ] as const) {
    test(`${rule} does not deliver anything`, async () => {
      await using mx = await ScriptedMx.start({
        script: { MAIL: { raw }, RCPT: { silent: true }, DATA: { silent: true }, DOT: { silent: true } },
      })
      const connection = await introduced(mx)
      const result = await connection.transact(mail({ to: ['a@example.net'] }))
      assert.ok(!told(result).includes('accepted'))
      assert.equal((await connection.ended)?.kind, 'protocol-violation')
    })
  }

  test('a reply before the command it could answer is a protocol violation', async () => {
    await using mx = await ScriptedMx.start({ script: { CONNECT: { raw: '220 hi\r\n250 PIPELINING\r\n' } } })
    const problem = { kind: 'protocol-violation', phase: 'greeting', detail: 'unsolicited-reply' }
    assert.deepEqual(await dial(mx), { ok: false, error: problem })
  })

  test('half-closing after the greeting is the end', async () => {
    await using mx = await ScriptedMx.start({ script: { CONNECT: { reply: '220 hi', after: 'half-close' } } })
    const connection = await connected(mx)
    assert.deepEqual(await connection.ended, { kind: 'connection-lost', phase: 'mail', code: 'EOF' })
  })
})

test('EXT-16: a peer that reads nothing while its answers wait does not lock us up', async () => {
  covers('EXT-16', { observe: 'smtp' })
  // A blocking server: one command, one answer, and no reading until the answer has left. Its answers are far more
  // than the kernel holds for it.
  const to = Array.from({ length: 4000 }, (_, at) => `${'l'.repeat(60)}@host-${at}.example.net`)
  const wordy = Array.from({ length: 8 }, (_, at) => `250${at < 7 ? '-' : ' '}${'x'.repeat(500)}`)
  await using mx = await ScriptedMx.start({ blocking: true, script: { RCPT: wordy } })
  const connection = await introduced(mx)
  const result = await connection.transact(mail({ to }))
  assert.ok(result.kind === 'answered')
  assert.equal(result.recipients.filter(({ kind }) => kind === 'accepted').length, to.length)
  await connection.quit()
})

describe('properties', () => {
  const piece = fc.oneof(
    fc.constantFrom(
      '220 hi\r\n',
      '250 ok\r\n',
      '250-PIPELINING\r\n',
      '250 PIPELINING\r\n',
      '354 go\r\n',
      '421 bye\r\n',
    ),
    fc.constantFrom('451 no\r\n', '550 no\r\n', '250\r\n', '250-', '\r\n', '999 x\r\n', '220 '),
    fc.string({ unit: 'binary', maxLength: 30 }),
  )
  const said = fc.array(fc.oneof({ weight: 5, arbitrary: piece }, { weight: 1, arbitrary: fc.constant('<close>') }), {
    maxLength: 14,
  })

  test('whatever a peer says and whenever, every call ends, and nothing is accepted without a 354 and a 2yz after the dot', async () => {
    const server = createServer({ allowHalfOpen: true })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    try {
      await fc.assert(
        fc.asyncProperty(said, async (pieces) => {
          const sockets: Socket[] = []
          server.removeAllListeners('connection')
          server.on('connection', (socket: Socket) => {
            sockets.push(socket)
            socket.on('error', () => undefined).on('end', () => socket.end())
            void speak(socket, pieces)
          })
          const timeouts = {
            ...PATIENT,
            greetingMs: 30,
            ehloMs: 30,
            mailMs: 30,
            rcptMs: 30,
            dataMs: 30,
            dataBlockMs: 30,
            finalDotMs: 30,
            quitMs: 30,
          }
          const dialled = await SmtpConnection.connect({ address: '127.0.0.1', port, timeouts })
          if (dialled.ok && (await dialled.value.ehlo(CLIENT_NAME)).ok) {
            const results = await Promise.all([dialled.value.transact(mail()), dialled.value.transact(mail())])
            const accepted = results.flatMap(told).filter((word) => word === 'accepted').length
            const permitted = pieces.filter((text) => text === '354 go\r\n').length
            assert.ok(accepted <= permitted)
          }
          if (dialled.ok) {
            await dialled.value.quit()
            await dialled.value.ended
          }
          for (const socket of sockets) socket.destroy()
        }),
        { numRuns: 60 },
      )
    } finally {
      server.close()
    }
  })

  /** One piece for each read, and the rest when there is nothing more to read. */
  async function speak(socket: Socket, pieces: readonly string[]): Promise<void> {
    const left = [...pieces]
    const next = (): void => {
      const text = left.shift()
      if (text === undefined || !socket.writable) return
      if (text === '<close>') socket.destroySoon()
      else socket.write(text)
    }
    next()
    socket.on('data', next)
  }
})
