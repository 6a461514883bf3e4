/** A delivery history that cannot be written costs its entries at most: mail is accepted and delivered as ever. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { SqliteHistory } from '../../packages/mta/src/history/adapters/sqlite-history.ts'
import { acceptedEntry } from '../../packages/mta/src/history/history.fixture.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'

async function withRelay(
  prepare: (dataDir: string) => Promise<() => Promise<void>>,
  use: (relay: WholeRelay, parts: { readonly dataDir: string; readonly mend: () => Promise<void> }) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(join(tmpdir(), 'history-trouble-'))
  try {
    const mend = await prepare(dataDir)
    await using mx = await ScriptedMx.start()
    await using relay = await WholeRelay.start({
      settings: `
data_dir = "${dataDir}"
[delivery]
port = ${mx.port}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`,
      records: { 'example.test': { MX: [[10, 'mx.example.test']] }, 'mx.example.test': { A: [mx.address] } },
    })
    const client = await relay.greeted()
    await client.command('MAIL FROM:<app@sender.test>')
    await client.command('RCPT TO:<jane@example.test>')
    await client.command('DATA')
    client.send('Subject: hello\r\nFrom: <app@sender.test>\r\n\r\nhello\r\n.\r\n')
    assert.equal((await client.reply())?.code, 250)
    await client.quit()
    await mx.received(1)
    await relay.until(() => relay.eventsOf('message-settled').length === 1)
    await use(relay, { dataDir, mend })
    assert.equal(relay.eventsOf('history-dropped').length, 0)
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
}

const recorded = (relay: WholeRelay): number =>
  relay.eventsOf('history-written').reduce((sum, { entries }) => sum + entries, 0)

test('a file that another process has is waited for, while mail goes on', () =>
  withRelay(
    async (dataDir) => {
      const other = new SqliteHistory({ dataDir, retentionMs: 1e9, maxBytes: 2 ** 30, now: Date.now })
      await other.record([acceptedEntry()])
      return () => other.close()
    },
    async (relay, { mend }) => {
      await relay.until(() => relay.eventsOf('history-failing').length > 0)
      assert.deepEqual(
        relay.eventsOf('history-failing').map(({ reason }) => reason),
        ['locked'],
      )
      await mend()
      await relay.until(() => recorded(relay) === 3)
      assert.equal(relay.eventsOf('history-recovered').length, 1)
    },
  ))

test('a damaged file is moved aside at once, while mail goes on', () =>
  withRelay(
    async (dataDir) => {
      await mkdir(dataDir, { recursive: true })
      await writeFile(join(dataDir, 'history.db'), 'x'.repeat(10_000))
      return async () => undefined
    },
    async (relay, { dataDir }) => {
      await relay.until(() => recorded(relay) === 3)
      assert.deepEqual(
        relay.eventsOf('history-failing').map(({ reason }) => reason),
        ['damaged'],
      )
      assert.equal(existsSync(join(dataDir, 'history.db.damaged')), true)
    },
  ))

test('a place where nothing can be written costs the entries, not the mail', () =>
  withRelay(
    async (dataDir) => {
      await mkdir(join(dataDir, 'history.db', 'x'), { recursive: true })
      return async () => undefined
    },
    async (relay) => {
      await relay.until(() => relay.eventsOf('history-failing').length > 0)
      assert.equal(recorded(relay), 0)
    },
  ))
