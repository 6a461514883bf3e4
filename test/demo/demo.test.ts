/** The demo, as it runs in a pipe: every row comes out as it must, and what it invites to works while it runs. */
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { type Row, tableLines } from './screen.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const ESCAPE = '\u001b'
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

const ROWS: readonly (readonly [domain: string, ...words: (string | RegExp)[]])[] = [
  ['good.test', 'enforce, fetched now', 'a proven name', 'TLS, its own name', /^delivered: 250 2\.0\.0 /],
  ['stripped.test', 'enforce, fetched now', 'a proven name', 'no TLS', 'waits: 4.7.10 starttls-not-offered'],
  ['wrong-name.test', 'enforce, fetched now', 'a proven name', 'TLS, another name', /^waits: 4\.7\.5 certificate-name/],
  ['expired.test', 'enforce, fetched now', 'a proven name', 'TLS, expired', /^waits: 4\.7\.5 .*CERT_HAS_EXPIRED/],
  ['hijacked-mx.test', 'enforce, fetched now', 'a host it names', 'not contacted', 'waits: 4.7.5 sts-mx-mismatch'],
  ['vanished.test', 'enforce, fetched 3 days ago', 'a proven name', 'no TLS', 'waits: 4.7.10 starttls-not-offered'],
  ['testing.test', 'testing, fetched now', 'TLS if offered', 'TLS, another name', /^delivered: 250 /],
  ['redirect.test', 'none: status-301', 'TLS if offered', 'TLS, nobody checks', /^delivered: 250 /],
  ['plain.test', 'none', 'TLS if offered', 'TLS, nobody checks', /^delivered: 250 /],
]

test('in a pipe the demo prints every domain as it must come out, ends by itself and leaves nothing behind', async () => {
  const demo = runDemo([])
  const [code] = await once(demo.child, 'close')
  assert.equal(code, 0, demo.output())
  for (const [domain, ...words] of ROWS) {
    const line = demo
      .output()
      .split('\n')
      .find((one) => one.includes(` ${domain} `))
    assert.ok(line !== undefined, `${domain} in:\n${demo.output()}`)
    const cells = line.split(/ {2,}/)
    assert.equal(cells[0], '✓', line)
    assert.equal(cells[1], domain)
    for (const [index, word] of words.entries()) {
      const cell = cells[index + 3] ?? ''
      if (typeof word === 'string') assert.equal(cell, word, line)
      else assert.match(cell, word, line)
    }
  }
  assert.match(demo.output(), /^4 delivered, 5 wait and never left in clear; all as it must be/m)
  assert.match(demo.output(), /^ {2}vanished\.test: sts-record-trouble \(txt-missing\)$/m)
  assert.ok(!demo.output().includes(ESCAPE), 'no colours and no cursor')
})

test('while it is held, the commands that it prints work as they are printed', async () => {
  const demo = runDemo(['--hold'])
  try {
    await demo.said('The demo ends with its input.')
    const commands = demo
      .output()
      .split('\n')
      .filter((line) => line.includes('hermetic.toml'))
    assert.ok(commands.length >= 4, demo.output())
    const printed = await Promise.all(commands.map((line) => run(line.trim())))
    const [shown = ''] = printed
    assert.match(shown, /^Mode: +enforce$/m)
    assert.match(shown, /^Failures: +1, .*sts-policy-fetch-error: tls-failed$/m)
    const directory = /--config (.*)\/hermetic\.toml/.exec(commands[0] ?? '')?.[1] ?? ''
    assert.ok(existsSync(directory))
    demo.child.stdin.end()
    const [code] = await once(demo.child, 'close')
    assert.equal(code, 0, demo.output())
    assert.equal(existsSync(directory), false)
  } finally {
    demo.child.kill('SIGKILL')
  }
})

test('a narrow terminal cuts the widest columns, and colours what is coloured only when asked', () => {
  const rows: readonly Row[] = [[{ text: 'short' }, { text: 'a very long cell that cannot stay', tone: 'good' }]]
  const narrow = tableLines(['A', 'B'], rows, { width: 24, colours: false })
  assert.deepEqual(narrow, ['A      B', 'short  a very long cell…'])
  const [, wide = ''] = tableLines(['A', 'B'], rows, { width: 99, colours: true })
  assert.ok(wide.includes(`${ESCAPE}[32ma very long cell that cannot stay`))
})

interface Demo {
  readonly child: ChildProcessWithoutNullStreams
  output(): string
  said(text: string): Promise<void>
}

function runDemo(args: readonly string[]): Demo {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: ROOT })
  let output = ''
  const take = (chunk: Buffer): void => {
    output += chunk.toString('utf8')
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  const said = async (text: string): Promise<void> => {
    while (!output.includes(text)) {
      assert.equal(child.exitCode, null, output)
      await Promise.race([once(child.stdout, 'data'), once(child, 'close')])
    }
  }
  return { child, output: () => output, said }
}

async function run(command: string): Promise<string> {
  const [file = '', ...args] = command.split(' ')
  const { stdout } = await promisify(execFile)(file, args, { cwd: ROOT })
  return stdout
}
