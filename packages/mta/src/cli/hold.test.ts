import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { TerminalLab } from './terminal-lab.ts'

describe('hermetic hold', () => {
  const refused: readonly (readonly [words: readonly string[], because: RegExp])[] = [
    [[], /write one of: list, add, remove/],
    [['lsit'], /did you mean hold list\?/],
    [['add'], /write whose mail: --domain, --sender, --credential or --tag/],
    [['add', '--domain', 'not a domain'], /--domain not a domain is not a domain/],
    [['add', '--sender', 'a@@b'], /is not a mail address/],
    [['add', '--sender', 'not a domain'], /is neither a mail address nor a domain/],
    [['add', '--tag', 'a b'], /--tag a b is not 1 to 64 letters/],
    [['add', '--credential', ''], /--credential is the name of a login/],
    [['add', '--domain', 'a.test', '--for', 'soon'], /--for is a duration/],
    [['add', '--domain', 'a.test', '--for', '0s'], /--for is a duration/],
    [['add', '--domain', 'a.test', '--reason', 'x'.repeat(300)], /--reason has at most \d+ characters/],
    [['add', '--domain', 'a.test', '--yes'], /--yes belongs to hold remove/],
    [['list', '--domain', 'a.test'], /--domain belongs to hold add/],
    [['list', '0c27e4aa'], /hold list takes no rule/],
    [['remove'], /write which: hold remove RULE/],
    [['remove', 'all'], /"all" is not a rule/],
  ]
  for (const [words, because] of refused) {
    test(`hold ${words.join(' ').slice(0, 60)}: refused with a hint, exit code 2`, async () => {
      using lab = new TerminalLab()
      const { code, out, err } = await lab.run('hold', ...words)
      assert.deepEqual([code, out], [2, ''])
      assert.match(err, because)
    })
  }

  test('a rule is added, listed and removed in the files of a stopped relay', async () => {
    using lab = new TerminalLab()
    lab.now = Date.now() + 1_000
    const dataDir = join(lab.directory, 'data')
    const opened = await openSqliteSpool({ dataDir, maxBytes: 64 * 1024 ** 2, emit: () => undefined })
    assert.ok(opened.ok)
    await opened.value.close()
    assert.match((await lab.run('hold', 'list')).out, /^No rule holds mail\.$/m)
    const words = ['--domain', '*.Example.com', '--sender', 'shop.test', '--for', '2h', '--json'] as const
    const added = JSON.parse((await lab.run('hold', 'add', ...words)).out) as Record<string, unknown>
    assert.deepEqual([added['domain'], added['sender']], ['*.example.com', 'shop.test'])
    const listed = JSON.parse((await lab.run('hold', 'list', '--json')).out) as Record<string, unknown>
    assert.deepEqual([listed['id'], listed['until']], [added['id'], added['until']])
    const id = String(added['id'])
    assert.match((await lab.run('hold', 'remove', id)).out, /^No waiting message matches\.$/m)
    assert.match((await lab.run('hold', 'list')).out, new RegExp(`^${id} `, 'm'))
    assert.equal((await lab.run('hold', 'remove', id, '--yes')).code, 0)
    assert.match((await lab.run('hold', 'list')).out, /No rule holds mail|over: releasing/)
    const unknown = await lab.run('hold', 'remove', 'ffffffff')
    assert.deepEqual([unknown.code, /there is no rule ffffffff/.test(unknown.err)], [1, true])
  })
})
