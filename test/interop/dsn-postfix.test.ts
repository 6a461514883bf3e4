/**
 * RFC 3461 between nodemailer, us and a real Postfix: it takes the parameters that we pass on and answers them itself;
 * where it does not offer DSN, we answer. Python's email package reads both answers.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { createTransport } from 'nodemailer'
import { createAuthority } from '../lab/ca.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { PostfixMx } from './postfix-mx.ts'
import { freePort } from './relay-instance.ts'

const run = promisify(execFile)
const READER = new URL('./read-dsn.py', import.meta.url).pathname
const ALICE = 'alice@destination.test'
const OLD_ALICE = 'alice@old.test'
/** One for each test: a mailbox is read from its first message. */
const SENDERS = ['a@origin.test', 'b@origin.test', 'c@origin.test'] as const

describe('DSN with a real Postfix', () => {
  let dir: string
  let postfix: PostfixMx
  let relay: WholeRelay

  before(async () => {
    assert.equal(process.getuid?.(), 0, 'Postfix needs root to run: start test:interop as root')
    dir = await mkdtemp(`${tmpdir()}/hermetic-interop-dsn-`)
    await chmod(dir, 0o755)
    const authority = await createAuthority()
    const port = await freePort()
    const certificate = await authority.issue({ names: ['mx.destination.test', 'mx.old.test'] })
    postfix = await PostfixMx.start({
      ...{ dir: `${dir}/postfix`, port, certificate, mailboxes: [ALICE, OLD_ALICE, ...SENDERS] },
      further: [{ name: 'old', address: '127.0.0.2', certificate, hidesDsn: true }],
    })
    const listener = '[[listener]]\nkind = "relay"\nport = 0\ntls = "none"\nallow_networks = ["127.0.0.0/8"]\n'
    relay = await WholeRelay.start({
      settings: `${listener}[delivery]\nport = ${port}\n`,
      records: {
        'destination.test': { MX: [[10, 'mx.destination.test']] },
        'origin.test': { MX: [[10, 'mx.destination.test']] },
        'old.test': { MX: [[10, 'mx.old.test']] },
        'mx.destination.test': { A: ['127.0.0.1'] },
        'mx.old.test': { A: ['127.0.0.2'] },
      },
    })
  })

  after(async () => {
    await relay?.[Symbol.asyncDispose]()
    await postfix?.stop()
    await rm(dir, { recursive: true, force: true })
  })

  async function send(from: string, to: string, notify: readonly ('success' | 'failure')[]): Promise<void> {
    const port = relay.relay.listeners[0]?.listener.port ?? 0
    const transport = createTransport({ host: '127.0.0.1', port, ignoreTLS: true })
    const dsn = { id: 'order 7+8', return: 'headers' as const, notify: [...notify], recipient: to }
    await transport.sendMail({ from, to, subject: 'lab', text: 'Hello', dsn })
    transport.close()
  }

  /** What came back to the sender, as Python understands it. */
  async function answered(sender: string): Promise<Readonly<Record<string, unknown>>> {
    const file = `${dir}/${sender}.eml`
    await writeFile(file, await postfix.nextMessage(sender))
    const { stdout } = await run('python3', [READER, file])
    return JSON.parse(stdout) as Record<string, unknown>
  }

  test('NOTIFY=SUCCESS, ENVID and ORCPT reach Postfix, which tells of the delivery', async () => {
    const [sender] = SENDERS
    await send(sender, ALICE, ['success', 'failure'])
    const { action, reportingMta, envid, originalRecipient, finalRecipient, status } = await answered(sender)
    assert.deepEqual(
      { action, reportingMta, envid, originalRecipient, finalRecipient, status },
      {
        action: 'delivered',
        reportingMta: 'dns; postfix.hermetic.test',
        envid: 'order 7+8',
        originalRecipient: `rfc822;${ALICE}`,
        finalRecipient: `rfc822; ${ALICE}`,
        status: '2.0.0',
      },
    )
  })

  test('a Postfix without DSN gets bare commands, and we tell that the mail was handed on', async () => {
    const [, sender] = SENDERS
    await send(sender, OLD_ALICE, ['success', 'failure'])
    const { action, reportingMta, remoteMta, envid, originalRecipient, defects } = await answered(sender)
    assert.deepEqual(
      { action, reportingMta, remoteMta, envid, originalRecipient, defects },
      {
        action: 'relayed',
        reportingMta: 'dns; relay.example.test',
        remoteMta: 'dns; mx.old.test',
        envid: 'order 7+8',
        originalRecipient: `rfc822; ${OLD_ALICE}`,
        defects: 0,
      },
    )
    assert.match(await postfix.nextMessage(OLD_ALICE), /^Subject: lab$/m)
  })

  test('a mailbox that Postfix refuses is told by us once', async () => {
    const [, , sender] = SENDERS
    await send(sender, 'nobody-here@destination.test', ['failure'])
    const { action, status, remoteMta, envid, defects } = await answered(sender)
    assert.deepEqual(
      { action, status, remoteMta, envid, defects },
      { action: 'failed', status: '5.1.1', remoteMta: 'dns; mx.destination.test', envid: 'order 7+8', defects: 0 },
    )
  })
})
