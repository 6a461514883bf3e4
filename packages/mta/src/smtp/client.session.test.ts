/** The session around the transactions (RFC 5321 §3.1, §3.2, §3.8, §4.1.1.10), against a scripted MX. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { covers } from '../../../../test/conformance/covers.ts'
import { ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import { CLIENT_NAME, connected, dial, introduced, mail, PATIENT, told } from './client.samples.ts'
import { SmtpConnection } from './client.ts'
import { DEFAULT_TIMEOUTS } from './timeouts.ts'

describe('RFC 5321 §3.1 the greeting', () => {
  test('SMTP-01: nothing is sent before the greeting is whole', async () => {
    covers('SMTP-01', { observe: 'smtp' })
    await using mx = await ScriptedMx.start({
      script: { CONNECT: { reply: ['220-patience', '220 now'], delayMs: 50, drip: { bytes: 8, everyMs: 20 } } },
    })
    const connection = await introduced(mx)
    assert.deepEqual(connection.greeting, { code: 220, lines: ['patience', 'now'] })
    const { segments } = mx.connection
    const firstIn = segments.findIndex(({ direction }) => direction === 'in')
    const greeted = Buffer.concat(segments.slice(0, firstIn).map(({ bytes }) => bytes)).toString()
    assert.equal(greeted, '220-patience\r\n220 now\r\n')
    await connection.quit()
  })

  for (const code of [421, 450, 521, 554]) {
    test(`SMTP-14: a greeting of ${code} is told as the reply it is, and answered with QUIT`, async () => {
      covers('SMTP-14', { observe: 'smtp' })
      await using mx = await ScriptedMx.start({ script: { CONNECT: `${code} no` } })
      const refused = await dial(mx)
      assert.deepEqual(refused, {
        ok: false,
        error: { kind: 'reply', phase: 'greeting', reply: { code, lines: ['no'] } },
      })
      await mx.connection.ended
      assert.deepEqual(mx.connection.commands, ['QUIT'])
    })
  }

  test('nobody at the port is told by code', async () => {
    const server = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as { port: number }
    await new Promise((resolve) => server.close(resolve))
    const failed = await SmtpConnection.connect({ address: '127.0.0.1', port, timeouts: PATIENT })
    assert.deepEqual(failed, { ok: false, error: { kind: 'connect-failed', code: 'ECONNREFUSED' } })
  })

  test('a close before the greeting is a lost connection', async () => {
    await using mx = await ScriptedMx.start({ script: { CONNECT: { silent: true, after: 'close' } } })
    const failed = await dial(mx)
    assert.deepEqual(failed, { ok: false, error: { kind: 'connection-lost', phase: 'greeting', code: 'EOF' } })
  })

  test('a reset before the greeting is told by its code', async () => {
    await using mx = await ScriptedMx.start({ script: { CONNECT: { silent: true, delayMs: 20, after: 'reset' } } })
    const failed = await dial(mx)
    assert.deepEqual(failed, { ok: false, error: { kind: 'connection-lost', phase: 'greeting', code: 'ECONNRESET' } })
  })
})

describe('RFC 5321 §4.1.1.1 EHLO and HELO', () => {
  test('SMTP-03: EHLO is the first command', async () => {
    covers('SMTP-03', { observe: 'smtp' })
    await using mx = await ScriptedMx.start()
    const connection = await introduced(mx)
    await connection.quit()
    assert.deepEqual(mx.connection.commands, [`EHLO ${CLIENT_NAME}`, 'QUIT'])
  })

  test('SMTP-06, EAI-07: keywords have no case and their unknown parameters do not matter', async () => {
    covers(['SMTP-06', 'EAI-07'], { observe: 'smtp' })
    await using mx = await ScriptedMx.start({ capabilities: ['pipelining', 'SmtpUtf8 foo', 'size 100', 'X-UNKNOWN y'] })
    const connection = await introduced(mx)
    const sent = await connection.transact(mail({ from: 'grün@example.com', envelope: { smtpUtf8: true } }))
    assert.deepEqual(told(sent), ['accepted'])
    await connection.quit()
    assert.match(mx.messages[0]?.mail ?? '', /^MAIL FROM:<grün@example\.com> SIZE=\d+ SMTPUTF8$/)
  })

  test('a 5yz to EHLO is followed by HELO, after which nothing is offered', async () => {
    await using mx = await ScriptedMx.start({ script: { EHLO: '502 what' } })
    const connection = await connected(mx)
    const hello = await connection.ehlo(CLIENT_NAME)
    assert.equal(hello.ok && hello.value.greetedWith, 'helo')
    assert.deepEqual(told(await connection.transact(mail())), ['accepted'])
    await connection.quit()
    assert.deepEqual(mx.connection.commands, [
      `EHLO ${CLIENT_NAME}`,
      `HELO ${CLIENT_NAME}`,
      'MAIL FROM:<sender@example.com>',
      'RCPT TO:<u@example.net>',
      'DATA',
      'QUIT',
    ])
  })

  test('no HELO where the caller forbids it, nor after a 4yz', async () => {
    await using mx = await ScriptedMx.start({
      script: { EHLO: ({ connection }) => (connection === 1 ? '502 what' : '451 later') },
    })
    const strict = await connected(mx)
    const refused = await strict.ehlo(CLIENT_NAME, { allowHelo: false })
    assert.deepEqual(refused, {
      ok: false,
      error: { kind: 'reply', phase: 'ehlo', reply: { code: 502, lines: ['what'] } },
    })
    await strict.quit()
    const busy = await connected(mx)
    assert.equal((await busy.ehlo(CLIENT_NAME)).ok, false)
    assert.equal(busy.usable, true)
    await busy.quit()
    assert.deepEqual(
      mx.connections.map(({ commands }) => commands),
      [
        [`EHLO ${CLIENT_NAME}`, 'QUIT'],
        [`EHLO ${CLIENT_NAME}`, 'QUIT'],
      ],
    )
  })

  test('EAI-04: a name that is not ASCII never reaches the wire', async () => {
    covers('EAI-04', { observe: 'smtp' })
    await using mx = await ScriptedMx.start()
    const connection = await connected(mx)
    await assert.rejects(connection.ehlo('bücher.example'), /invariant/)
    assert.equal((await connection.ehlo('xn--bcher-kva.example')).ok, true)
    await connection.quit()
    assert.deepEqual(mx.connection.commands, ['EHLO xn--bcher-kva.example', 'QUIT'])
  })
})

describe('RFC 5321 §4.1.1.10 QUIT', () => {
  test('SMTP-14: QUIT comes before the close, and its reply is waited for', async () => {
    covers('SMTP-14', { observe: 'smtp' })
    await using mx = await ScriptedMx.start({ script: { QUIT: { reply: '221 bye', delayMs: 60, after: 'close' } } })
    const connection = await introduced(mx)
    const begun = performance.now()
    await connection.quit()
    assert.ok(performance.now() - begun >= 55)
    assert.equal(await connection.ended, undefined)
    assert.equal(connection.usable, false)
  })

  test('a peer that does not answer QUIT is left after a short while', async () => {
    await using mx = await ScriptedMx.start({ script: { QUIT: { silent: true } } })
    const connection = await introduced(mx, { timeouts: { quitMs: 40 } })
    await connection.quit()
    assert.equal(await mx.connection.ended, 'fin')
  })

  test('SMTP-14: QUIT also ends a session in which a command timed out', async () => {
    covers('SMTP-14', { observe: 'smtp' })
    await using mx = await ScriptedMx.start({ capabilities: [], script: { MAIL: { silent: true } } })
    const connection = await introduced(mx, { timeouts: { mailMs: 40 } })
    assert.deepEqual(told(await connection.transact(mail())), ['unsettled', 'timeout in mail'])
    await mx.connection.ended
    assert.equal(mx.connection.commands.at(-1), 'QUIT')
  })

  test('what comes after the 221 is not looked at', async () => {
    await using mx = await ScriptedMx.start({ script: { QUIT: { raw: '221 bye\r\n250 more\r\ngarbage' } } })
    const connection = await introduced(mx)
    await connection.quit()
    assert.equal(await connection.ended, undefined)
  })

  test('quitting with a transaction under way ends that as stopped', async () => {
    await using mx = await ScriptedMx.start({ script: { MAIL: { silent: true } } })
    const connection = await introduced(mx)
    const sent = connection.transact(mail())
    await connection.quit()
    assert.deepEqual(told(await sent), ['unsettled', 'stopped in mail'])
  })
})

describe('SMTP-31 timers per step', () => {
  const late = { silent: true, after: 'stop-reading' } as const

  for (const [phase, script, timeouts] of [
    ['greeting', { CONNECT: late }, { greetingMs: 40 }],
    ['ehlo', { EHLO: late }, { ehloMs: 40 }],
  ] as const) {
    test(`the ${phase} has its own time`, async () => {
      await using mx = await ScriptedMx.start({ script })
      const connection = await dial(mx, { timeouts })
      const result = connection.ok ? await connection.value.ehlo(CLIENT_NAME) : connection
      assert.deepEqual(result, { ok: false, error: { kind: 'timeout', phase } })
    })
  }

  for (const [phase, script, timeouts, ending] of [
    ['mail', { MAIL: late }, { mailMs: 40 }, 'timeout in mail'],
    ['rcpt', { RCPT: late }, { rcptMs: 40 }, 'timeout in rcpt'],
    ['data', { DATA: late }, { dataMs: 40 }, 'timeout in data'],
    ['final-dot', { DOT: late }, { finalDotMs: 40 }, 'timeout in final-dot after the dot'],
  ] as const) {
    for (const capabilities of [['PIPELINING'], []]) {
      test(`${phase} has its own time ${capabilities.length > 0 ? 'in a group' : 'alone'}`, async () => {
        await using mx = await ScriptedMx.start({ script, capabilities })
        const connection = await introduced(mx, { timeouts })
        assert.deepEqual(told(await connection.transact(mail())), ['unsettled', ending])
        assert.deepEqual(await connection.ended, { kind: 'timeout', phase })
      })
    }
  }

  test('SMTP-32: a reply just before each limit is in time, for every limit', async () => {
    covers('SMTP-32', { observe: 'smtp' })
    const slow = (reply: string) => ({ reply, delayMs: 200 })
    await using mx = await ScriptedMx.start({
      capabilities: [],
      script: {
        CONNECT: slow('220 mx'),
        EHLO: slow('250 mx'),
        MAIL: slow('250 ok'),
        RCPT: slow('250 ok'),
        DATA: slow('354 go'),
        DOT: slow('250 ok'),
        QUIT: slow('221 bye'),
      },
    })
    // Together the steps take far longer than any one of these limits.
    const limit = {
      timeouts: {
        greetingMs: 1200,
        ehloMs: 1200,
        mailMs: 1200,
        rcptMs: 1200,
        dataMs: 1200,
        finalDotMs: 1200,
        quitMs: 1200,
      },
    }
    const connection = await introduced(mx, limit)
    assert.deepEqual(told(await connection.transact(mail())), ['accepted'])
    await connection.quit()
    assert.equal(await connection.ended, undefined)
    const atLeast = { greetingMs: 5, mailMs: 5, rcptMs: 5, dataMs: 2, dataBlockMs: 3, finalDotMs: 10 }
    for (const [name, minutes] of Object.entries(atLeast)) {
      assert.ok(DEFAULT_TIMEOUTS[name as keyof typeof atLeast] >= minutes * 60_000, name)
    }
  })

  test('the time of a reply is that of the whole reply: dripping it does not buy more', async () => {
    await using mx = await ScriptedMx.start({
      script: { EHLO: { reply: `250 ${'x'.repeat(500)}`, drip: { bytes: 1, everyMs: 5 } } },
    })
    const connection = await connected(mx, { timeouts: { ehloMs: 80 } })
    const begun = performance.now()
    assert.deepEqual(await connection.ehlo(CLIENT_NAME), { ok: false, error: { kind: 'timeout', phase: 'ehlo' } })
    assert.ok(performance.now() - begun < 1500)
  })
})

describe('RFC 5321 §3.8 the end of a session', () => {
  test('SMTP-16: 421 while idle makes the connection unusable', async () => {
    covers('SMTP-16', { observe: 'smtp' })
    await using mx = await ScriptedMx.start()
    const connection = await introduced(mx)
    assert.equal(connection.usable, true)
    assert.equal(connection.idle, true)
    mx.say('421 going down')
    const problem = await connection.ended
    assert.deepEqual(problem, { kind: 'reply', phase: 'mail', reply: { code: 421, lines: ['going down'] } })
    assert.equal(connection.usable, false)
    assert.deepEqual(told(await connection.transact(mail())), ['unsettled', 'reply in mail'])
    await mx.connection.ended
    assert.deepEqual(mx.connection.commands.slice(1), ['QUIT'])
  })

  test('a close while idle makes the connection unusable', async () => {
    await using mx = await ScriptedMx.start({ script: { EHLO: { reply: '250 mx', after: 'close' } } })
    const connection = await introduced(mx)
    assert.deepEqual(await connection.ended, { kind: 'connection-lost', phase: 'mail', code: 'EOF' })
    assert.equal(connection.usable, false)
  })

  test('a reply that nobody asked for is a protocol violation', async () => {
    await using mx = await ScriptedMx.start()
    const connection = await introduced(mx)
    mx.say('250 again')
    assert.deepEqual(await connection.ended, { kind: 'protocol-violation', phase: 'mail', detail: 'unsolicited-reply' })
  })
})

describe('architecture, decision 11: stopping', () => {
  test('the signal ends an idle connection with QUIT', async () => {
    await using mx = await ScriptedMx.start()
    const stop = new AbortController()
    const connection = await introduced(mx, { signal: stop.signal })
    stop.abort()
    assert.deepEqual(await connection.ended, { kind: 'stopped' })
    await mx.connection.ended
    assert.equal(mx.connection.commands.at(-1), 'QUIT')
  })

  test('the signal ends a connection that is still waiting for its greeting', async () => {
    await using mx = await ScriptedMx.start({ script: { CONNECT: { silent: true } } })
    const stop = new AbortController()
    const waiting = dial(mx, { signal: stop.signal })
    await sleep(20)
    stop.abort()
    assert.deepEqual(await waiting, { ok: false, error: { kind: 'stopped' } })
  })

  test('a signal that was given before means no connection at all', async () => {
    await using mx = await ScriptedMx.start()
    assert.deepEqual(await dial(mx, { signal: AbortSignal.abort() }), { ok: false, error: { kind: 'stopped' } })
    assert.equal(mx.connections.length, 0)
  })

  test('the signal waits for the answer to a dot that has left, and begins nothing new', async () => {
    const answer = Promise.withResolvers<string>()
    await using mx = await ScriptedMx.start({ script: { DOT: () => answer.promise } })
    const stop = new AbortController()
    const connection = await introduced(mx, { signal: stop.signal })
    const results = Promise.all([connection.transact(mail()), connection.transact(mail()), connection.transact(mail())])
    await mx.seen('DOT')
    stop.abort()
    assert.equal(connection.usable, false)
    answer.resolve('250 kept')
    const [first, second, third] = await results
    assert.deepEqual(told(first), ['accepted'])
    assert.deepEqual(told(second), ['unsettled', 'stopped in mail'])
    assert.deepEqual(told(third), ['unsettled', 'stopped in mail'])
    await mx.connection.ended
    assert.equal(mx.messages.length, 1)
  })

  test('destroy does not wait: the message after its dot is ambiguous', async () => {
    await using mx = await ScriptedMx.start({ script: { DOT: { silent: true } } })
    const connection = await introduced(mx)
    const sent = connection.transact(mail())
    await mx.seen('DOT')
    connection.destroy()
    assert.deepEqual(told(await sent), ['unsettled', 'stopped in final-dot after the dot'])
  })
})
