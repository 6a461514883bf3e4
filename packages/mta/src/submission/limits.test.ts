/** Bounds and faults on the wire: time, numbers, full stores, throwing ports. One session's trouble stays its own. */
import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { StoreUnavailable } from '../spool/spool.ts'
import type { SubmissionEvent } from './events.ts'
import { authPlain, type Fixture, MESSAGE, SECRET, startFixture, submit, USERNAME } from './listener.fixture.ts'

/** Monotonic time that stands still until it is told. */
function clock(): { readonly now: () => number; readonly advance: (ms: number) => void } {
  let at = 1_000_000
  return {
    now: () => at,
    advance: (ms) => {
      at += ms
    },
  }
}

const MINUTE = 60_000

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 2))
}

function ends(fixture: Fixture): readonly string[] {
  return fixture.events.flatMap((event) => (event.event === 'session-ended' ? [event.reason] : []))
}

describe('time', () => {
  test('SMTP-34: a client may be silent for 4 min 50 s; past 5 minutes it gets 421', async () => {
    covers('SMTP-34', { observe: 'smtp' })
    const time = clock()
    const fixture = await startFixture({ now: time.now })
    const dialogue = await fixture.ready()
    time.advance(4 * MINUTE + 50_000)
    fixture.listener.sweep()
    assert.equal((await dialogue.command('NOOP')).code, 250)
    time.advance(4 * MINUTE + 50_000)
    fixture.listener.sweep()
    assert.equal((await dialogue.quit()).code, 221)

    const idle = await fixture.ready()
    time.advance(5 * MINUTE + 1)
    fixture.listener.sweep()
    assert.deepEqual(
      (await idle.rest()).map(({ text }) => text.slice(0, 9)),
      ['421 4.4.2'],
    )
    await until(() => ends(fixture).includes('idle'))
    await fixture.close()
  })

  test('a command line that trickles in ends the session, however often an octet comes', async () => {
    const time = clock()
    const fixture = await startFixture({ now: time.now })
    const dialogue = await fixture.ready()
    for (let octet = 0; octet < 100 && !ends(fixture).includes('slow-line'); octet += 1) {
      dialogue.send('N')
      await new Promise((resolve) => setTimeout(resolve, 3))
      time.advance(10_000)
      fixture.listener.sweep()
    }
    assert.match((await dialogue.rest())[0]?.text ?? '', /^421 4\.4\.2 /)
    await until(() => ends(fixture).includes('slow-line'))
    await fixture.close()
  })

  test('content below the least rate ends the session and leaves nothing behind', async () => {
    const time = clock()
    const fixture = await startFixture({ now: time.now })
    const dialogue = await fixture.ready()
    await dialogue.command('MAIL FROM:<a@example.com>')
    await dialogue.command('RCPT TO:<b@example.net>')
    await dialogue.command('DATA')
    for (let part = 0; part < 10; part += 1) {
      dialogue.send('X: y\r\n')
      await new Promise((resolve) => setTimeout(resolve, 3))
      time.advance(MINUTE)
      fixture.listener.sweep()
    }
    assert.match((await dialogue.rest())[0]?.text ?? '', /^421 4\.4\.2 /)
    await until(() => ends(fixture).includes('slow-content'))
    await until(() => fixture.discarded() === 1)
    assert.equal(fixture.accepted.length, 0)
    await fixture.close()
  })

  test('time that we take ourselves is not charged to the client', async () => {
    const time = clock()
    let answer: (() => void) | undefined
    const fixture = await startFixture({
      now: time.now,
      accept: () =>
        new Promise((resolve) => {
          answer = () => resolve({ kind: 'accepted' })
        }),
    })
    const dialogue = await fixture.ready()
    const submitted = submit(dialogue)
    await until(() => answer !== undefined)
    time.advance(20 * MINUTE)
    fixture.listener.sweep()
    answer?.()
    assert.match(await submitted, /^250 /)
    assert.equal((await dialogue.quit()).code, 221)
    await fixture.close()
  })

  test('a TLS handshake that does not end is dropped, with STARTTLS and with implicit TLS', async () => {
    for (const tls of ['starttls', 'implicit'] as const) {
      const time = clock()
      const fixture = await startFixture({ listener: { tls }, now: time.now })
      const socket = connect(fixture.port, '127.0.0.1')
      const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
      socket.on('error', () => undefined)
      if (tls === 'starttls') {
        socket.write('EHLO a.example\r\n')
        await new Promise((resolve) => socket.once('data', resolve))
        socket.write('STARTTLS\r\n')
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      socket.resume()
      // The first octets of a ClientHello that never goes on.
      socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1]))
      await until(() => fixture.listener.sessions() === 1)
      await new Promise((resolve) => setTimeout(resolve, 20))
      time.advance(29_000)
      fixture.listener.sweep()
      assert.equal(fixture.listener.sessions(), 1)
      time.advance(2_000)
      fixture.listener.sweep()
      await closed
      await until(() => fixture.listener.sessions() === 0)
      await fixture.close()
    }
  })
})

describe('numbers', () => {
  test('sessions in all and per address are bounded; a place that becomes free is given again', async () => {
    for (const [limits, reason] of [
      [{ sessionsMax: 2 }, 'too-many-sessions'],
      [{ sessionsPerAddressMax: 2 }, 'too-many-sessions-from-address'],
    ] as const) {
      const fixture = await startFixture({ limits })
      const first = await fixture.ready()
      const second = await fixture.ready()
      const third = await fixture.open()
      assert.deepEqual(
        (await third.rest()).map(({ code }) => code),
        [421],
      )
      assert(fixture.events.some((event) => event.event === 'session-refused' && event.reason === reason))
      await first.quit()
      await until(() => fixture.listener.sessions() === 1)
      const again = await fixture.ready()
      await again.quit()
      await second.quit()
      await fixture.close()
    }
  })

  test('sessions in their TLS handshake count too', async () => {
    const fixture = await startFixture({ listener: { tls: 'implicit' }, limits: { sessionsMax: 1 } })
    const socket = connect(fixture.port, '127.0.0.1')
    await until(() => fixture.listener.sessions() === 1)
    await assert.rejects(fixture.open())
    socket.destroy()
    await until(() => fixture.listener.sessions() === 0)
    const dialogue = await fixture.ready()
    await dialogue.quit()
    await fixture.close()
  })

  test('after twenty wrong commands the session ends; refused recipients do not count', async () => {
    const fixture = await startFixture()
    const patient = await fixture.ready()
    await patient.command('MAIL FROM:<a@example.com>')
    for (let index = 0; index < 50; index += 1) assert.equal((await patient.command('RCPT TO:<nobody@host>')).code, 501)
    assert.equal((await patient.command('RCPT TO:<b@example.net>')).code, 250)
    await patient.quit()
    const dialogue = await fixture.ready()
    for (let index = 0; index < 20; index += 1) assert.equal((await dialogue.command('FOO')).code, 500)
    assert.match((await dialogue.rest())[0]?.text ?? '', /^421 4\.7\.0 /)
    await fixture.close()
  })

  test('a client that only says NOOP is sent away, sooner when it has no rights', async () => {
    const fixture = await startFixture({ listener: { tls: 'implicit' } })
    const dialogue = await fixture.open()
    await dialogue.reply()
    dialogue.send('NOOP\r\n'.repeat(51))
    const replies = await dialogue.rest()
    assert.equal(replies.length, 51)
    assert.match(replies.at(-1)?.text ?? '', /^421 4\.7\.0 /)
    await fixture.close()
  })

  test('an endless command line costs its limit, gets 500, and the session lives', async () => {
    const fixture = await startFixture()
    const dialogue = await fixture.ready()
    for (let part = 0; part < 50; part += 1) dialogue.send('x'.repeat(10_000))
    dialogue.send('\r\n')
    assert.match((await dialogue.reply())?.text ?? '', /^500 5\.5\.2 /)
    assert.match(await submit(dialogue), /^250 /)
    await dialogue.quit()
    await fixture.close()
  })

  test('a client that never reads its replies stops being read', async () => {
    const fixture = await startFixture({ limits: { commandsPerMessageMax: 10_000_000 } })
    const dialogue = await fixture.ready()
    dialogue.pause()
    const socket = connect(fixture.port, '127.0.0.1')
    socket.on('error', () => undefined)
    socket.pause()
    const burst = Buffer.from('HELP\r\n'.repeat(20_000))
    let stalled = false
    for (let part = 0; part < 400 && !stalled; part += 1) {
      stalled = await new Promise<boolean>((resolve) => {
        const timer = setTimeout(() => resolve(true), 500)
        socket.write(burst, () => {
          clearTimeout(timer)
          resolve(false)
        })
      })
    }
    assert(stalled, '48 MB of commands were read although no reply was')
    socket.destroy()
    dialogue.destroy()
    await fixture.close()
  })
})

describe('RFC 5321 §6.1: 250 only for what is stored', () => {
  for (const [rule, outcome, reply] of [
    ['a full store', { kind: 'full' }, '452 4.3.1'],
    ['a store that cannot tell', { kind: 'unavailable', detail: 'x' }, '451 4.3.0'],
  ] as const) {
    test(`${rule}: ${reply}, and the session lives`, async () => {
      let first = true
      const fixture = await startFixture({
        accept: async () => {
          const was = first
          first = false
          return was ? outcome : { kind: 'accepted' }
        },
      })
      const dialogue = await fixture.ready()
      assert.equal((await submit(dialogue)).slice(0, 9), reply)
      assert.match(await submit(dialogue), /^250 2\.0\.0 Ok: queued as [0-9a-f-]{36}$/)
      await dialogue.quit()
      await fixture.close()
    })
  }

  test('the 250 waits for the store', async () => {
    let answer: (() => void) | undefined
    const fixture = await startFixture({
      accept: () =>
        new Promise((resolve) => {
          answer = () => resolve({ kind: 'accepted' })
        }),
    })
    const dialogue = await fixture.ready()
    let replied = false
    const submitted = submit(dialogue).finally(() => {
      replied = true
    })
    await until(() => answer !== undefined)
    await new Promise((resolve) => setTimeout(resolve, 20))
    assert.equal(replied, false)
    answer?.()
    assert.match(await submitted, /^250 /)
    await dialogue.quit()
    await fixture.close()
  })

  test('while intake is stopped MAIL gets 452, and mail flows again afterwards', async () => {
    let health: 'open' | 'full' | 'failing' = 'full'
    const fixture = await startFixture({ health: () => health })
    const dialogue = await fixture.ready()
    assert.match((await dialogue.command('MAIL FROM:<a@example.com>')).text, /^452 4\.3\.1 /)
    health = 'failing'
    assert.match((await dialogue.command('MAIL FROM:<a@example.com>')).text, /^452 4\.3\.0 /)
    health = 'open'
    assert.match(await submit(dialogue), /^250 /)
    await dialogue.quit()
    await fixture.close()
  })

  for (const [rule, options] of [
    ['accept rejects', { accept: () => Promise.reject(new Error('boom')) }],
    [
      'accept throws',
      {
        accept: () => {
          throw new Error('boom')
        },
      },
    ],
    [
      'the sink rejects a write',
      {
        stage: () => ({
          reserve: () => undefined,
          write: () => Promise.reject(new Error('boom')),
          finish: () => Promise.reject(new Error('boom')),
          discard: () => Promise.resolve(),
        }),
      },
    ],
    [
      'the sink rejects to finish and to discard',
      {
        stage: () => ({
          reserve: () => undefined,
          write: () => Promise.resolve(),
          finish: () => Promise.reject(new Error('boom')),
          discard: () => Promise.reject(new Error('boom')),
        }),
      },
    ],
  ] as const) {
    test(`${rule}: 451 4.3.0, and the session lives`, async () => {
      const fixture = await startFixture(options)
      const dialogue = await fixture.ready()
      const large = MESSAGE + 'x'.repeat(70).concat('\r\n').repeat(5_000)
      assert.match(await submit(dialogue, { content: large }), /^451 4\.3\.0 /)
      assert.equal((await dialogue.quit()).code, 221)
      assert(fixture.events.some(({ event }) => event === 'session-error'))
      await fixture.close()
    })
  }

  for (const [rule, code, reply, reason] of [
    ['is not there', 'ENOENT', /^451 4\.3\.0 The message could not be stored/, 'queue-unavailable'],
    ['has no room', 'ENOSPC', /^452 4\.3\.1 Queue storage is full/, 'queue-full'],
  ] as const) {
    for (const step of ['write', 'finish'] as const) {
      test(`a disk that ${rule} at ${step} is told as trouble of the queue, and not as a defect`, async () => {
        const cause = Object.assign(new Error(code), { code })
        const fails = () => Promise.reject(new StoreUnavailable('the content could not be written', { cause }))
        const stage = () => ({
          reserve: () => undefined,
          write: step === 'write' ? fails : () => Promise.resolve(),
          finish: fails,
          discard: () => Promise.resolve(),
        })
        const fixture = await startFixture({ stage })
        const dialogue = await fixture.ready()
        const large = MESSAGE + 'x'.repeat(70).concat('\r\n').repeat(5_000)
        assert.match(await submit(dialogue, { content: large }), reply)
        assert.equal((await dialogue.quit()).code, 221)
        const refused = fixture.events.filter((event) => event.event === 'message-refused')
        assert.deepEqual(
          refused.map((event) => event.reason),
          [reason],
        )
        assert.ok(!fixture.events.some(({ event }) => event === 'session-error'))
        await fixture.close()
      })
    }
  }

  const never = (): Promise<never> => new Promise(() => undefined)
  for (const [rule, stage] of [
    ['takes no octets', { reserve: () => undefined, write: never, finish: never, discard: never }],
    ['does not finish', { reserve: () => undefined, write: () => Promise.resolve(), finish: never, discard: never }],
  ] as const) {
    test(`SUB-15: a client of a store that ${rule} gets 451 in time, and the session lives`, async () => {
      covers('SUB-15', { observe: 'smtp' })
      const fixture = await startFixture({ limits: { stagingStepMs: 30 }, stage: () => stage })
      const dialogue = await fixture.ready()
      const large = MESSAGE + 'x'.repeat(70).concat('\r\n').repeat(5_000)
      assert.match(await submit(dialogue, { content: large }), /^451 4\.3\.0 The message could not be stored/)
      assert.equal((await dialogue.command('NOOP')).code, 250)
      await dialogue.quit()
      await fixture.close()
    })
  }

  test('SUB-15: content that is stored too late is discarded', async () => {
    covers('SUB-15', { observe: 'smtp' })
    let finished: (() => void) | undefined
    let discarded = 0
    const fixture = await startFixture({
      limits: { stagingStepMs: 30 },
      stage: () => ({
        reserve: () => undefined,
        write: () => Promise.resolve(),
        finish: () =>
          new Promise((resolve) => {
            finished = () => resolve({ kind: 'memory', bytes: Buffer.from('late') })
          }),
        discard: async () => {
          discarded += 1
        },
      }),
    })
    const dialogue = await fixture.ready()
    assert.match(await submit(dialogue), /^451 4\.3\.0 /)
    assert.equal(discarded, 0)
    finished?.()
    await until(() => discarded === 1)
    assert.equal(fixture.accepted.length, 0)
    await dialogue.quit()
    await fixture.close()
  })

  test('a port that throws in the middle of the dialogue ends that session with 421, and no other', async () => {
    let broken = true
    const fixture = await startFixture({
      health: () => {
        if (broken) throw new Error('boom')
        return 'open'
      },
    })
    const other = await fixture.ready()
    const dialogue = await fixture.ready()
    dialogue.send('MAIL FROM:<a@example.com>\r\n')
    assert.match((await dialogue.rest())[0]?.text ?? '', /^421 4\.3\.0 /)
    broken = false
    assert.match(await submit(other), /^250 /)
    await other.quit()
    await fixture.close()
  })
})

describe('connections that end', () => {
  test('in the middle of content: nothing is stored, what was staged is discarded', async () => {
    const fixture = await startFixture()
    const dialogue = await fixture.ready()
    await dialogue.command('MAIL FROM:<a@example.com>')
    await dialogue.command('RCPT TO:<b@example.net>')
    await dialogue.command('DATA')
    dialogue.send(MESSAGE)
    await new Promise((resolve) => setTimeout(resolve, 10))
    dialogue.destroy()
    await until(() => ends(fixture).length === 1)
    assert.equal(fixture.discarded(), 1)
    assert.equal(fixture.accepted.length, 0)
    await fixture.close()
  })

  test('after the final dot: the message is stored all the same', async () => {
    let answer: (() => void) | undefined
    const fixture = await startFixture({
      accept: () =>
        new Promise((resolve) => {
          answer = () => resolve({ kind: 'accepted' })
        }),
    })
    const dialogue = await fixture.ready()
    const submitted = submit(dialogue).catch(() => 'lost')
    await until(() => answer !== undefined)
    dialogue.destroy()
    await until(() => ends(fixture).length === 1)
    answer?.()
    await until(() => fixture.accepted.length === 1)
    assert.equal(fixture.discarded(), 0)
    await submitted
    await fixture.close()
  })

  test('a shutdown ends idle sessions with 421 and lets a message under way finish', async () => {
    let answer: (() => void) | undefined
    const fixture = await startFixture({
      accept: () =>
        new Promise((resolve) => {
          answer = () => resolve({ kind: 'accepted' })
        }),
    })
    const idle = await fixture.ready()
    const busy = await fixture.ready()
    const submitted = submit(busy)
    await until(() => answer !== undefined)
    const closing = fixture.listener.close(5_000)
    assert.match((await idle.rest())[0]?.text ?? '', /^421 4\.3\.2 /)
    await assert.rejects(fixture.open())
    answer?.()
    assert.match(await submitted, /^250 /)
    assert.match((await busy.rest())[0]?.text ?? '', /^421 4\.3\.2 /)
    await closing
  })

  test('a shutdown does not wait longer than its grace', async () => {
    const fixture = await startFixture({ accept: () => new Promise(() => undefined) })
    const dialogue = await fixture.ready()
    const submitted = submit(dialogue)
    await new Promise((resolve) => setTimeout(resolve, 30))
    await fixture.listener.close(50)
    assert.equal(await submitted, 'closed')
  })
})

test('the events of one message tell who, what, how large and how long', async () => {
  const fixture = await startFixture({ listener: { tls: 'implicit' } })
  const dialogue = await fixture.open()
  await dialogue.reply()
  await dialogue.command('EHLO client.example.net')
  await dialogue.command(authPlain('a\u2028b', 'wrong'))
  await dialogue.command(authPlain(USERNAME, SECRET))
  await submit(dialogue)
  await submit(dialogue, { content: 'x\r\n' })
  await dialogue.quit()
  await until(() => ends(fixture).length === 1)
  const seen = fixture.events.map((event: SubmissionEvent) => event.event)
  assert.deepEqual(seen, [
    'credentials-loaded',
    'listening',
    'session-opened',
    'auth-failed',
    'authenticated',
    'message-accepted',
    'message-refused',
    'session-ended',
  ])
  const failed = fixture.events.find((event) => event.event === 'auth-failed')
  assert.equal(failed?.event === 'auth-failed' ? failed.username : '', 'a?b')
  const accepted = fixture.events.find((event) => event.event === 'message-accepted')
  assert(accepted?.event === 'message-accepted')
  assert.equal(accepted.username, USERNAME)
  assert.equal(accepted.size, fixture.accepted[0]?.octets.length)
  assert.equal(accepted.tls, 'TLSv1.3')
  await fixture.close()
})
