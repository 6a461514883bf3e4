/** The demo, as it runs in a pipe: every row comes out as it must, and what it invites to works while it runs. */
import assert from 'node:assert/strict'
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { CAST } from './cast.ts'
import { type Row, tableLines } from './screen.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const ESCAPE = '\u001b'
const MAIN = fileURLToPath(new URL('main.ts', import.meta.url))

const ROWS: readonly (readonly [domain: string, ...words: (string | RegExp)[]])[] = [
  ['good.test', 'enforce, new', 'its own name', 'its own name', /^delivered 250 2\.0\.0 /],
  ['stripped.test', 'enforce, new', 'its own name', 'no TLS', 'waits 4.7.10 starttls-not-offered'],
  ['wrong-name.test', 'enforce, new', 'its own name', 'another name', 'waits 4.7.5 certificate-name-mismatch'],
  ['expired.test', 'enforce, new', 'its own name', 'expired', 'waits 4.7.5 certificate-untrusted'],
  ['hijacked.test', 'enforce, new', 'a listed host', 'not contacted', 'waits 4.7.5 sts-mx-mismatch'],
  ['vanished.test', 'enforce, 3 days old', 'its own name', 'no TLS', 'waits 4.7.10 starttls-not-offered'],
  ['testing.test', 'testing, new', 'TLS if offered', 'another name', /^delivered 250 /],
  ['redirect.test', 'none: status-301', 'TLS if offered', 'TLS, unchecked', /^delivered 250 /],
  ['plain.test', 'none', 'TLS if offered', 'TLS, unchecked', /^delivered 250 /],
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

test('a demo that nobody reads any more leaves nothing behind either', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'demo-test-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const child = spawn(process.execPath, [MAIN], { cwd: ROOT, env: { ...process.env, TMPDIR: directory } })
  let trouble = ''
  child.stderr.on('data', (chunk: Buffer) => {
    trouble += chunk.toString('utf8')
  })
  child.stdout.destroy()
  await once(child, 'close')
  assert.equal(trouble, '')
  assert.deepEqual(readdirSync(directory), [])
})

describe('while it is held', () => {
  let demo: Demo
  let printed: readonly string[] = []
  /** In this process, which is quicker. */
  const lab = new TerminalLab()

  before(async () => {
    demo = runDemo(['--hold'])
    await demo.said('The demo ends with its input.')
    printed = demo
      .output()
      .split('\n')
      .filter((line) => line.includes('--config'))
      .map((line) => line.trim())
  })

  after(() => {
    demo.child.kill('SIGKILL')
    lab[Symbol.dispose]()
  })

  for (const [command, shows] of [
    ['explain stripped.test', /^✗ Mail for stripped\.test waits: .*STARTTLS is not offered/],
    ['explain vanished.test', /^ {2}refresh +failed 1 time/m],
    ['trace', /certificate-name-mismatch/],
    ['policy show vanished.test', /^Failures: +1, .*sts-policy-fetch-error: tls-failed$/m],
    ['queue list', /you@expired\.test/],
  ] as const) {
    test(`hermetic ${command} works as it is printed`, async () => {
      const line = printed.find((one) => one.includes(` ${command} `))
      assert.ok(line !== undefined, printed.join('\n'))
      assert.match((await run(line)).out, shows)
    })
  }

  for (const player of CAST) {
    const { domain, expected } = player
    test(`explain says of ${domain} what the relay did: ${expected.arrived}`, async () => {
      const line = printed.find((one) => one.includes(' explain stripped.test ')) ?? ''
      const [, ...args] = line.replace('stripped.test', domain).split(' ')
      const { code, out } = await lab.run(...args)
      assert.equal(code, expected.arrived === 'not-sent' ? 1 : 0, out)
      assert.match(out, expected.arrived === 'not-sent' ? /^✗ Mail for \S+ waits/ : /^✓ Mail for \S+ is delivered/)
      assert.equal(/it proves its name/.test(out), expected.arrived === 'proven', out)
    })
  }

  test('the end of its input ends it, and nothing is left behind', async () => {
    const directory = /--config (.*)\/hermetic\.toml/.exec(printed[0] ?? '')?.[1] ?? ''
    assert.ok(existsSync(directory))
    demo.child.stdin.end()
    const [code] = await once(demo.child, 'close')
    assert.equal(code, 0, demo.output())
    assert.equal(existsSync(directory), false)
  })
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

async function run(command: string): Promise<{ readonly code: number; readonly out: string }> {
  const [file = '', ...args] = command.split(' ')
  const child = spawn(file, args, { cwd: ROOT })
  let out = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      out += chunk.toString('utf8')
    })
  }
  const [code] = await once(child, 'close')
  return { code: Number(code), out }
}
