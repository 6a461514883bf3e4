/** What an operator types to move a queue, and is told. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { openSqliteSpool } from '../spool/adapters/sqlite-spool.ts'
import { message } from '../spool/spool.fixture.ts'
import { Progress } from './progress.ts'
import { TerminalLab } from './terminal-lab.ts'
import type { Terminal } from './verb.ts'

async function openSpool(lab: TerminalLab, directory = 'data') {
  const dataDir = join(lab.directory, directory)
  const opened = await openSqliteSpool({ dataDir, maxBytes: 64 * 1024 ** 2, emit: () => undefined })
  assert.ok(opened.ok)
  return opened.value
}

/** A queue with so many messages in the data_dir of the defaults, and the settings of another. */
async function world(count: number, use: (lab: TerminalLab, other: string) => Promise<void>): Promise<void> {
  using lab = new TerminalLab()
  const spool = await openSpool(lab)
  for (let n = 0; n < count; n += 1) await spool.accept(message([1]))
  await spool.close()
  await use(lab, lab.file('other.toml', 'hostname = "new.example.com"\ndata_dir = "./other"\n'))
}

async function countIn(lab: TerminalLab, directory: string): Promise<{ messages: number; held: number }> {
  const spool = await openSpool(lab, directory)
  const { messages, held } = await spool.admin.summary()
  await spool.close()
  return { messages, held }
}

describe('hermetic queue export and import', () => {
  test('move a queue: the file is for its owner only, and nothing stays behind', () =>
    world(3, async (lab, other) => {
      const file = join(lab.directory, 'queue')
      const exported = await lab.run('queue', 'export', file, '--move')
      assert.deepEqual(exported, { code: 0, out: `3 messages in ${file}; 3 removed from the queue\n`, err: '' })
      assert.equal(statSync(file).mode & 0o777, 0o600)
      assert.equal(existsSync(`${file}.partial`), false)
      const imported = await lab.run('queue', 'import', file, '--config', other)
      assert.equal(imported.code, 0)
      assert.equal(imported.out, '3 messages taken in of 3 read, 18 B of content\n')
      assert.match(imported.err, /^Moved from .*\.\n$/)
      assert.deepEqual(await countIn(lab, 'data'), { messages: 0, held: 0 })
      assert.deepEqual(await countIn(lab, 'other'), { messages: 3, held: 0 })
      const again = await lab.run('queue', 'import', file, '--config', other)
      assert.equal(again.out, '0 messages taken in of 3 read (3 taken in before), 18 B of content\n')
      assert.match(again.err, /3 messages of it were taken in before/)
    }))

  test('copy through a pipe: what comes is held, unless the operator says otherwise', () =>
    world(2, async (lab, other) => {
      const exported = await lab.run('queue', 'export', '-')
      assert.deepEqual(exported, { code: 0, out: '', err: '2 messages written, 12 B of content\n' })
      lab.input = Buffer.concat(lab.octets)
      const imported = await lab.run('queue', 'import', '-', '--config', other)
      assert.equal(imported.code, 0)
      assert.match(imported.err, /its messages will be held/)
      assert.deepEqual(await countIn(lab, 'other'), { messages: 2, held: 2 })
      assert.deepEqual(await countIn(lab, 'data'), { messages: 2, held: 0 })
      const third = lab.file('third.toml', 'hostname = "third.example.com"\ndata_dir = "./third"\n')
      assert.equal((await lab.run('queue', 'import', '-', '--deliver', '--config', third)).code, 0)
      assert.deepEqual(await countIn(lab, 'third'), { messages: 2, held: 0 })
    }))

  test('a file without an end is refused as a whole, unless the operator wants what is there', () =>
    world(3, async (lab, other) => {
      const file = join(lab.directory, 'queue')
      await lab.run('queue', 'export', file)
      truncateSync(file, statSync(file).size - 300)
      const refused = await lab.run('queue', 'import', file, '--config', other)
      assert.equal(refused.code, 1)
      assert.match(refused.err, /has no end: .* --incomplete/)
      assert.equal(existsSync(join(lab.directory, 'other')), false)
      const taken = await lab.run('queue', 'import', file, '--incomplete', '--config', other)
      assert.equal(taken.code, 1)
      assert.equal(taken.out, '2 messages taken in of 2 read, 12 B of content\n')
      assert.match(taken.err, /ends too early; everything before octet \d+ is whole/)
    }))

  test('what is no queue file is told as such, and no queue is made for it', () =>
    world(0, async (lab, other) => {
      const refused = await lab.run('queue', 'import', other, '--incomplete', '--config', other)
      assert.deepEqual([refused.code, refused.err], [1, `hermetic queue: ${other} is not a queue file of Hermetic\n`])
      assert.equal(existsSync(join(lab.directory, 'other')), false)
    }))

  test('a damaged file names the message and the octet', () =>
    world(3, async (lab, other) => {
      const file = join(lab.directory, 'queue')
      await lab.run('queue', 'export', file)
      const octets = readFileSync(file)
      octets.write('Jello', octets.lastIndexOf('Hello'))
      writeFileSync(file, octets)
      const { code, out, err } = await lab.run('queue', 'import', file, '--config', other)
      assert.equal(code, 1)
      assert.match(out, /^2 messages taken in/)
      assert.match(err, /is damaged in message 3; everything before octet \d+ is whole\.\n/)
    }))

  test('an empty queue is a file with an end, and no queue is told as such', () =>
    world(0, async (lab, other) => {
      const file = join(lab.directory, 'queue')
      assert.match((await lab.run('queue', 'export', file, '--move')).out, /^0 messages in/)
      assert.equal((await lab.run('queue', 'import', file, '--config', other)).code, 0)
      const nowhere = lab.file('nowhere.toml', 'hostname = "x.example.com"\ndata_dir = "./nowhere"\n')
      const none = await lab.run('queue', 'export', `${file}2`, '--config', nowhere)
      assert.equal(none.code, 1)
      assert.match(none.err, /There is no queue/)
    }))

  test('a file that is there is not written over, and a running relay keeps its queue', () =>
    world(1, async (lab) => {
      const file = lab.file('precious', 'text')
      const { code, err } = await lab.run('queue', 'export', file)
      assert.equal(code, 1)
      assert.match(err, /is there already/)
      assert.equal(readFileSync(file, 'utf8'), 'text')
      const spool = await openSpool(lab)
      const busy = await lab.run('queue', 'export', `${file}2`)
      await spool.close()
      assert.equal(busy.code, 1)
      assert.match(busy.err, /another relay runs on this data_dir/)
    }))

  for (const [args, complaint] of [
    [['export'], /the file to write, or -/],
    [['export', '-', '--move'], /a move needs a file/],
    [['import'], /the file to read, or -/],
    [['import', 'a', 'b'], /too many words/],
    [['exprot', 'a'], /did you mean export/],
  ] as const) {
    test(`queue ${args.join(' ')} is not understood`, async () => {
      using lab = new TerminalLab()
      const { code, err } = await lab.run('queue', ...args)
      assert.equal(code, 2)
      assert.match(err, complaint)
    })
  }
})

describe('progress', () => {
  function told(errIsTerminal: boolean): readonly string[] {
    const lines: string[] = []
    const streams = { errIsTerminal, input: () => ReadableStream.from([]), output: async () => undefined }
    let now = 0
    const terminal = { err: (text: string) => void lines.push(text), streams } as unknown as Terminal
    const progress = new Progress(terminal, () => now)
    for (; now <= 12_000; now += 50) progress.tell(() => `${now}`)
    progress.end()
    return lines
  }

  test('is one line on a terminal, gone in the end, and a few lines in a pipe', () => {
    const onTerminal = told(true)
    assert.equal(onTerminal.at(0), '\r\u001b[K100')
    assert.equal(onTerminal.at(-1), '\r\u001b[K')
    assert.ok(onTerminal.length > 100)
    assert.deepEqual(told(false), ['5000\n', '10000\n'])
  })
})
