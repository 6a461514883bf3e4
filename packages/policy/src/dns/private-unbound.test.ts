/**
 * What becomes of odd programs that are called unbound, without one that is real (that one is in
 * `test/interop/dnssec-unbound.test.ts`). Each is a small script in a folder of its own.
 */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { PolicyEvent } from '../ports/policy-events.ts'
import { PrivateUnbound } from './private-unbound.ts'
import { ROOT_ANCHORS } from './root-anchors.ts'
import type { UnboundProblem } from './unbound-problem.ts'
import { findUnbound, programFolders } from './unbound-program.ts'

let root: string
before(async () => {
  root = await mkdtemp(join(tmpdir(), 'hermetic-programs-'))
})
after(() => rm(root, { recursive: true, force: true }))

const CURRENT = 'if [ "$1" = -V ]; then echo "Version 1.17.1"; exit 1; fi\n'

async function program(script: string, mode = 0o755): Promise<string> {
  const folder = await mkdtemp(join(root, 'bin-'))
  await writeFile(join(folder, 'unbound'), `#!/bin/sh\n${script}\n`)
  await chmod(join(folder, 'unbound'), mode)
  return folder
}

interface Start {
  readonly problem: UnboundProblem | 'started'
  readonly directory: string
  readonly events: readonly PolicyEvent[]
}

interface Surroundings {
  readonly directory?: string
  readonly now?: () => number
}

async function start(
  folders: readonly string[],
  { directory, now = () => performance.now() }: Surroundings = {},
): Promise<Start> {
  const events: PolicyEvent[] = []
  const at = directory ?? join(await mkdtemp(join(root, 'data-')), 'unbound')
  const started = await PrivateUnbound.start({
    ...{ directory: at, folders, forwarders: [], random: Math.random, now, emit: (event) => events.push(event) },
  })
  if (started.ok) await started.value.stop()
  return { problem: started.ok ? 'started' : started.error, directory: at, events }
}

describe('a program called unbound', () => {
  test('that is nowhere is not installed', async () => {
    const plain = await program(CURRENT, 0o644)
    assert.deepEqual((await start([])).problem, { kind: 'not-installed' })
    assert.deepEqual((await start([plain, '/nonexistent'])).problem, { kind: 'not-installed' }, 'nor without its mode')
  })

  test('that is too old is told with both versions', async () => {
    const folder = await program('echo "Version 1.9.6"')
    assert.deepEqual((await start([folder])).problem, { kind: 'too-old', version: '1.9.6', oldest: '1.13' })
  })

  test('that does not tell its version is not started', async () => {
    const folder = await program('echo "hello"')
    assert.deepEqual((await start([folder])).problem, { kind: 'no-version', program: join(folder, 'unbound') })
  })

  for (const [text, extended] of [
    ['1.13.1', false],
    ['1.16.0', true],
    ['2.0.0', true],
  ] as const) {
    test(`${text} ${extended ? 'has' : 'has no'} extended errors`, async () => {
      const found = await findUnbound([await program(`echo "Version ${text}"`)])
      assert.ok(found.ok)
      assert.deepEqual(found.value.version, { text, hasExtendedErrors: extended })
    })
  }

  test('that refuses its settings is told with its own words, after a few tries', async () => {
    const script = `${CURRENT}echo "[1763800000] unbound[1:0] error: unknown keyword 'ede'" >&2; exit 1`
    const { problem } = await start([await program(script)])
    assert.deepEqual(problem, { kind: 'ended', code: 1, signal: null, lastWords: "unknown keyword 'ede'" })
  })

  test('that crashes at once is told with its signal', async () => {
    const { problem } = await start([await program(`${CURRENT}kill -SEGV $$`)])
    assert.deepEqual(problem, { kind: 'ended', code: null, signal: 'SIGSEGV', lastWords: '' })
  })

  test('that says nothing is not waited for, and does not stay', async () => {
    const log = join(root, 'silent.pid')
    const folder = await program(`${CURRENT}echo $$ > ${log}.new; mv ${log}.new ${log}; exec sleep 60`)
    // Time passes once the program runs: patience then ends soon.
    let later = 0
    const now = (): number => {
      if (existsSync(log)) later += 500
      return performance.now() + later
    }
    const { problem } = await start([folder], { now })
    assert.equal(problem !== 'started' && problem.kind, 'silent')
    const pid = Number(await readFile(log, 'utf8'))
    assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' })
  })

  test('gets no secrets of ours in its environment', async () => {
    process.env['HERMETIC_TEST_SECRET'] = 'secret'
    const log = join(root, 'environment')
    await start([await program(`${CURRENT}env > ${log}; exit 1`)])
    delete process.env['HERMETIC_TEST_SECRET']
    const names = (await readFile(log, 'utf8')).split('\n').map((line) => line.split('=')[0] ?? '')
    assert.ok(!names.includes('HERMETIC_TEST_SECRET') && !names.includes('HOME'))
  })

  test('writes as much as it likes, and a bounded line of it is kept', async () => {
    const { problem } = await start([await program(`${CURRENT}head -c 300000 /dev/zero | tr '\\0' 'x' >&2; exit 1`)])
    assert.ok(problem !== 'started' && problem.kind === 'ended')
    assert.ok(problem.lastWords.length <= 200)
  })
})

describe('its directory', () => {
  test('is closed to others, with the anchors of the root and the settings', async () => {
    const { directory } = await start([await program(`${CURRENT}exit 1`)])
    assert.equal((await stat(directory)).mode & 0o777, 0o700)
    assert.equal(await readFile(join(directory, 'root.key'), 'utf8'), `${ROOT_ANCHORS.join('\n')}\n`)
    for (const name of await readdir(directory)) assert.equal((await stat(join(directory, name))).mode & 0o777, 0o600)
  })

  test('that cannot be made is the reason', async () => {
    const { problem } = await start([await program(`${CURRENT}exit 1`)], { directory: '/proc/hermetic/unbound' })
    assert.equal(problem !== 'started' && problem.kind, 'directory')
  })

  test('keeps what unbound has learnt of the root when the trouble is another one', async () => {
    const { directory } = await start([await program(`${CURRENT}exit 1`)])
    await writeFile(join(directory, 'root.key'), `; learnt\n. IN DS 1 8 2 ${'AA'.repeat(32)}\n`)
    const { events } = await start([await program(`${CURRENT}exit 1`)], { directory })
    assert.match(await readFile(join(directory, 'root.key'), 'utf8'), /learnt/)
    assert.deepEqual(events, [])
  })
})

test('a relative entry of PATH would run what lies in the working directory: it is left out', () => {
  const folders = programFolders('.:bin::/opt/bin')
  assert.equal(folders[0], '/opt/bin')
  assert.ok(folders.every((folder) => folder.startsWith('/')))
  assert.ok(folders.includes('/usr/sbin'), 'PATH of a service often lacks it')
})
