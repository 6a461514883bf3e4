/**
 * What a newcomer does: start the relay without a configuration, paste the line that it prints, see the message.
 * The real program, in processes of its own.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const CLI = join(ROOT, 'packages/mta/src/cli/main.ts')
const WAIT_MS = 20_000

interface Started {
  readonly relay: ChildProcess
  readonly directory: string
  output(): string
  until(pattern: RegExp): Promise<RegExpMatchArray>
  stop(): Promise<number | null>
}

describe('the first message', () => {
  test('the printed line delivers over TLS into the mailbox of --try', async () => {
    const started = await startRelay(['--try'])
    try {
      const [line] = await started.until(/^ {2}\.\/hermetic (send .*)$/m)
      const { stdout } = await run(started, line)
      assert.match(stdout, /^250 2\.0\.0 Ok: queued as [0-9a-f-]{36}\n$/)
      const [arrival] = await started.until(
        /✉ arrived over TLS: from <app@example\.com> to you@example\.com[\s\S]*It works\./,
      )
      assert.match(arrival, /with ESMTPSA id/)
      await started.until(/"event":"attempt-finished".*"result":"delivered".*"tls":"TLSv1\.[23] /)
    } finally {
      assert.equal(await started.stop(), 0)
      await rm(started.directory, { recursive: true })
    }
  })

  test('the login of the first start stays; its secret is nowhere on disk', async () => {
    const first = await startRelay([])
    const [line] = await first.until(/^ {2}\.\/hermetic (send .*)$/m)
    const secret = /--password=(\S+)/.exec(line)?.[1] ?? assert.fail(line)
    assert.equal(await first.stop(), 0)
    const file = join(first.directory, 'data', 'credentials.json')
    const kept = await readFile(file, 'utf8')
    assert.ok(!kept.includes(secret))
    assert.equal((await stat(file)).mode & 0o777, 0o600)

    const second = await startRelay([], first.directory)
    try {
      const port = /127\.0\.0\.1:(\d+)/.exec((await second.until(/^ {2}\.\/hermetic (send .*)$/m))[0])?.[1]
      const { stdout } = await run(second, line.replace(/127\.0\.0\.1:\d+/, `127.0.0.1:${port}`))
      assert.match(stdout, /^250 2\.0\.0 /)
    } finally {
      await second.stop()
      await rm(first.directory, { recursive: true })
    }
  })

  test('a second relay on the same data_dir is refused in plain words, and the first goes on', async () => {
    const first = await startRelay([])
    try {
      await first.until(/is ready/)
      const failed = await promisify(execFile)(process.execPath, [CLI, 'start'], options(first.directory)).then(
        () => assert.fail('the second relay started'),
        (error: { readonly code: number; readonly stderr: string }) => error,
      )
      assert.equal(failed.code, 1)
      assert.match(failed.stderr, /^hermetic start: another relay runs on this data_dir/)
      assert.ok(!failed.stderr.includes('    at '), 'no stack trace for a user error')
      const { stdout } = await promisify(execFile)(
        process.execPath,
        [CLI, 'queue', 'summary'],
        options(first.directory),
      )
      assert.notEqual(stdout, '')
    } finally {
      assert.equal(await first.stop(), 0)
      await rm(first.directory, { recursive: true })
    }
  })
})

function options(directory: string) {
  return {
    cwd: directory,
    env: {
      ...process.env,
      HERMETIC_LISTENER__0__KIND: 'submission',
      HERMETIC_LISTENER__0__PORT: '0',
      HERMETIC_METRICS__LISTEN: '127.0.0.1:0',
      // Nobody outside is asked for the root.
      HERMETIC_DNS__TRUST: 'none',
    },
  }
}

async function startRelay(args: readonly string[], where?: string): Promise<Started> {
  const directory = where ?? (await mkdtemp(join(tmpdir(), 'first-message-')))
  const relay = spawn(process.execPath, [CLI, 'start', ...args], { ...options(directory), stdio: 'pipe' })
  let output = ''
  relay.stdout.on('data', (chunk) => {
    output += chunk
  })
  relay.stderr.on('data', (chunk) => {
    output += chunk
  })
  const ended = new Promise<number | null>((resolve) => relay.once('exit', resolve))
  return {
    relay,
    directory,
    output: () => output,
    until: async (pattern) => {
      const giveUpAt = Date.now() + WAIT_MS
      for (;;) {
        const found = pattern.exec(output)
        if (found !== null) return found
        assert.ok(Date.now() < giveUpAt && relay.exitCode === null, `${pattern} did not come:\n${output}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    stop: async () => {
      relay.kill('SIGTERM')
      return ended
    },
  }
}

/** The line as a shell reads it; it holds no quotes. */
function run({ directory }: Started, line: string) {
  const [, ...args] = line.trim().split(/\s+/)
  return promisify(execFile)(process.execPath, [CLI, ...args], { cwd: directory })
}
