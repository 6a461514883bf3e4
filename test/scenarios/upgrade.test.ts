/**
 * A relay that is started with what an earlier version has left delivers all of it, once: nothing that was promised is
 * lost by an upgrade (`docs/operating/upgrading.md`). The kept relays are in `test/upgrade`.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { testEngine } from '../lab/engine-of-test.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { type KeptMail, keptRelays, layOut } from '../upgrade/kept-relay.ts'
import { recordsOf, settingsOf } from '../upgrade/world.ts'

for (const { name, kept } of await keptRelays(testEngine())) {
  test(`${name}: all mail of ${kept.about}, is delivered as it was promised`, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'upgrade-'))
    const dataDir = join(directory, 'data')
    await layOut(kept, dataDir)
    await using mx = await ScriptedMx.start()
    try {
      await using relay = await WholeRelay.start({ settings: settingsOf(dataDir, mx.port), records: recordsOf(mx) })
      const run = async (...args: readonly string[]): Promise<string> => {
        using terminal = new TerminalLab()
        const { code, out, err } = await terminal.run(...args, '--config', relay.file)
        assert.equal(code, 0, err)
        return out
      }
      const held = kept.mails.filter((mail) => mail.held)
      assert.ok(held.length > 0)
      for (const { id } of held) assert.match(await run('queue', 'show', id), /held/)
      await run('queue', 'retry', '--all', '--yes')
      await relay.until(() => mx.messages.length >= kept.mails.length - held.length)
      for (const { id } of held) await run('queue', 'release', id)
      await relay.until(() => mx.messages.length >= kept.mails.length)
      assert.deepEqual(delivered(mx), promised(kept.mails))
      // The host has the last one before its outcome is kept.
      const giveUpAt = performance.now() + 10_000
      while ((await run('queue', 'list', '--json')) !== '') assert.ok(performance.now() < giveUpAt)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
}

function promised(mails: readonly KeptMail[]): readonly string[] {
  return mails.map(({ waiting, contentSha256 }) => `${waiting.join(' ')} ${contentSha256}`).sort()
}

/** The client's content stands behind the one field that we put in front of it. */
function delivered({ messages }: ScriptedMx): readonly string[] {
  return messages
    .map(({ recipients, content }) => {
      const text = content.toString('latin1')
      const body = text.slice(text.indexOf('Subject: kept'))
      const digest = createHash('sha256').update(body, 'latin1').digest('hex')
      return `${recipients.map(({ address }) => address).join(' ')} ${digest}`
    })
    .sort()
}
