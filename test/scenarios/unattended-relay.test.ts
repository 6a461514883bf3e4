/**
 * A relay that nobody watches: whoever read its output is gone, and programs send it the signals that they send to
 * every service. The real program, in a process of its own.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { onEngineOfTest } from '../lab/engine-of-test.ts'

const CLI = fileURLToPath(new URL('../../packages/mta/src/cli/main.ts', import.meta.url))
const WAIT_MS = 20_000

async function startRelay() {
  const directory = await mkdtemp(join(tmpdir(), 'unattended-'))
  await writeFile(join(directory, 'hermetic.toml'), await onEngineOfTest('', directory))
  const env = {
    ...process.env,
    HERMETIC_LISTENER__0__KIND: 'submission',
    HERMETIC_LISTENER__0__PORT: '0',
    HERMETIC_METRICS__LISTEN: '127.0.0.1:0',
    // Nobody outside is asked for the root.
    HERMETIC_DNS__TRUST: 'none',
  }
  const relay = spawn(process.execPath, [CLI, 'start'], { cwd: directory, env, stdio: 'pipe' })
  const exited = once(relay, 'exit')
  let output = ''
  for (const stream of [relay.stdout, relay.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  const until = async (pattern: RegExp): Promise<string> => {
    for (const giveUpAt = Date.now() + WAIT_MS; ; await sleep(20)) {
      const found = pattern.exec(output)
      if (found !== null) return found[1] ?? found[0]
      assert.ok(Date.now() < giveUpAt && relay.exitCode === null, `${pattern} did not come:\n${output}`)
    }
  }
  const port = Number(await until(/submission {2}127\.0\.0\.1 port (\d+)/))
  await until(/"relay-ready"/)
  return {
    relay,
    port,
    until,
    output: () => output,
    stop: async (): Promise<unknown> => {
      relay.kill('SIGTERM')
      const [code] = await exited
      await rm(directory, { recursive: true })
      return code
    },
  }
}

async function greeting(port: number): Promise<string> {
  const socket = createConnection({ port, host: '127.0.0.1' })
  const [first] = await once(socket, 'data')
  socket.destroy()
  return String(first)
}

test('a relay whose readers of standard output and standard error went away runs on, and stops in order', async () => {
  const { relay, port, stop } = await startRelay()
  relay.stdout.destroy()
  relay.stderr.destroy()
  for (let session = 0; session < 3; session += 1) {
    assert.match(await greeting(port), /^220 /)
    relay.kill('SIGHUP')
    await sleep(50)
  }
  assert.equal(relay.exitCode, null)
  assert.equal(await stop(), 0)
})

test('signals of programs that rotate logs neither end a relay nor open a debugger', async () => {
  const { relay, port, until, output, stop } = await startRelay()
  relay.kill('SIGHUP')
  await until(/"config-reloaded".*"by":"SIGHUP"/)
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
    relay.kill(signal)
    await until(new RegExp(`${signal} does nothing`))
  }
  assert.match(await greeting(port), /^220 /)
  assert.doesNotMatch(output(), /Debugger listening/)
  assert.equal(await stop(), 0)
})
