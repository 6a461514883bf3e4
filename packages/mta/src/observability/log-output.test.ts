import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openLogOutput } from './log-output.ts'

/** /dev/full takes nothing: every write fails as on a full disk. */
const FULL = '/dev/full'

test('every line arrives once and whole, some at once and the rest with flush', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'log-output-'))
  const fd = openSync(join(directory, 'log'), 'a')
  const output = openLogOutput(fd)
  const lines = Array.from({ length: 20_000 }, (_, index) => `line ${index} ${'x'.repeat(index % 90)}\n`)
  for (const line of lines) output.write(line)
  await sleep(5)
  output.flush()
  await sleep(20)
  const seen = readFileSync(join(directory, 'log'), 'utf8').split('\n').sort()
  closeSync(fd)
  rmSync(directory, { recursive: true })
  assert.deepEqual(seen, lines.join('').split('\n').sort())
})

test('a full disk costs lines and nothing else: nothing is thrown, flush returns, the loss is not told yet', async () => {
  // Not closed: the output tries again and again, and must not hit whatever gets the same number next.
  const output = openLogOutput(openSync(FULL, 'w'))
  for (let index = 0; index < 300; index += 1) {
    output.write(`${'x'.repeat(100_000)}\n`)
    if (index % 100 === 0) await sleep(5)
  }
  const before = performance.now()
  output.flush()
  assert.ok(performance.now() - before < 1_000)
  assert.equal(output.takeLost(), 0)
})

/** Writes lines until it is told to end, with a log that fails, and says on standard error how it went. */
const CHILD = `
const { openLogOutput } = await import(${JSON.stringify(new URL('./log-output.ts', import.meta.url).href)})
const output = openLogOutput(1)
for (let i = 0; i < 50; i++) { output.write('line\\n'); await new Promise((go) => setTimeout(go, 5)) }
output.flush()
process.stderr.write('ended in order')
`

for (const [what, stdout] of [
  ['a full disk', openSync(FULL, 'w')],
  ['a reader that went away', 'pipe'],
] as const) {
  test(`a program whose log goes to ${what} runs on and ends`, async () => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', CHILD], { stdio: ['ignore', stdout, 'pipe'] })
    child.stdout?.on('error', () => undefined).destroy()
    let said = ''
    child.stderr?.on('data', (chunk: Buffer) => {
      said += chunk.toString()
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000)
    const [code] = await once(child, 'exit')
    clearTimeout(timer)
    assert.equal(code, 0)
    assert.equal(said, 'ended in order')
  })
}

test('a program whose log nobody reads runs on and ends', async () => {
  // Node's own pipes to a child are sockets: a shell makes a real one, smaller than what is written.
  const script = '"$0" --input-type=module -e "$1" | sleep 6'
  const long = CHILD.replace("'line", "'x'.repeat(10_000) + '")
  const shell = spawn('/bin/sh', ['-c', script, process.execPath, long], { stdio: ['ignore', 'ignore', 'pipe'] })
  const exited = once(shell, 'exit')
  const before = performance.now()
  const [said] = await once(shell.stderr, 'data')
  assert.equal(String(said), 'ended in order')
  assert.ok(performance.now() - before < 5_000)
  shell.kill('SIGKILL')
  await exited
})
