/**
 * Every 250 is written after the sync that covers its message: shown with strace on the real relay, for content in
 * the store and content in files, several messages at once so that commits are shared. The analyser and its own
 * tests are in test/anomaly/durable-before-250; that it can fail is shown here by two weakened relays.
 */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { durabilityFindings, type Finding, type Submitted } from '../anomaly/durable-before-250/durability.ts'
import { parseStraceLog, STRACE_OPTIONS } from '../anomaly/durable-before-250/strace-log.ts'
import { LoadSession } from '../bench/load-session.ts'
import { covers } from '../conformance/covers.ts'
import { freePort, RelayInstance } from './relay-instance.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const WEAKENED_RELAY = `${ROOT}test/anomaly/durable-before-250/weakened-relay.ts`
const LOG_NAME = 'spool.db-wal'
const INLINE_BYTES = 5 * 1024
const FILE_BYTES = 1024 * 1024
const INLINE_MESSAGES = 12
const FILE_MESSAGES = 3
const TRACE_TIMEOUT_MS = 20_000

describe('durable before 250', () => {
  it('SMTP-52: every 250 follows the sync of its bytes, in the store and in files', async () => {
    covers('SMTP-52', { observe: 'store' })
    assert.deepEqual(await findingsOf([]), [])
  })

  it('the proof fails for content in the store when the store does not sync', async () => {
    const findings = await findingsOf(['--synchronous-off'])
    assert.equal(count(findings, 'bytes-not-synced'), INLINE_MESSAGES)
  })

  it('the proof fails for content in files when the directory is not synced', async () => {
    const findings = await findingsOf(['--skip-directory-fsync'])
    assert.equal(count(findings, 'directory-not-synced'), FILE_MESSAGES)
    assert.equal(findings.length, FILE_MESSAGES)
  })
})

/** An empty list of weaknesses runs the relay as everybody starts it. */
async function findingsOf(weaknesses: readonly string[]): Promise<readonly Finding[]> {
  const dir = await realpath(await mkdtemp(`${tmpdir()}/hermetic-durable-`))
  const trace = `${dir}/strace.log`
  const port = await freePort()
  const command = [`${ROOT}tools/node`, WEAKENED_RELAY, ...weaknesses]
  const relay = await RelayInstance.start({
    dir,
    settings: relaySettings(port),
    readyPort: port,
    // -D: the relay stays our own child, and the tracer is its grandchild.
    wrap: ['strace', '-D', ...STRACE_OPTIONS, '-o', trace],
    ...(weaknesses.length === 0 ? {} : { command }),
  })
  try {
    const submitted = await submitAll(port)
    await relay.stop()
    const calls = parseStraceLog(await finishedTrace(trace, relay.pid ?? 0))
    return durabilityFindings(calls, submitted, LOG_NAME)
  } finally {
    await relay.kill()
    await rm(dir, { recursive: true, force: true })
  }
}

function submitAll(port: number): Promise<readonly Submitted[]> {
  const inline = Array.from({ length: INLINE_MESSAGES }, (_, index) =>
    submitOne(port, { name: `inline${index}`, bytes: INLINE_BYTES, content: 'inline' }),
  )
  const files = Array.from({ length: FILE_MESSAGES }, (_, index) =>
    submitOne(port, { name: `file${index}`, bytes: FILE_BYTES, content: 'file' }),
  )
  return Promise.all([...inline, ...files])
}

async function submitOne(
  port: number,
  message: { readonly name: string; readonly bytes: number; readonly content: Submitted['content'] },
): Promise<Submitted> {
  const session = await LoadSession.open({ host: '127.0.0.1', port, pipelining: true })
  const clientPort = session.localPort
  const lines = Array.from({ length: Math.ceil(message.bytes / LINE_BYTES) }, (_, index) =>
    markedLine(message.name, index),
  )
  await session.submit({
    reversePath: 'sender@origin.test',
    forwardPaths: [`${message.name}@destination.test`],
    head: `From: <sender@origin.test>\r\nTo: <${message.name}@destination.test>\r\nSubject: ${message.name}\r\n\r\n`,
    body: Buffer.from(`${lines.map(({ text }) => text).join('')}.\r\n`),
  })
  session.destroy()
  const marks = lines
    .map(({ pair }) => pair)
    .filter((_, index) => message.content === 'inline' || index % FILE_STRIDE === 0)
  return { clientPort, marks, content: message.content }
}

const LINE_BYTES = 64
/** Of a large content every 32nd line is looked for: at least one in each 4 KiB. */
const FILE_STRIDE = 32

/** Two marks far enough apart that the end of a page cuts at most one of them. */
function markedLine(name: string, index: number): { readonly text: string; readonly pair: readonly [string, string] } {
  const number = String(index).padStart(6, '0')
  const pair = [`<${name}:${number}:a>`, `<${name}:${number}:b>`] as const
  return { text: `${`${pair[0]} `.padEnd(LINE_BYTES - 2 - pair[1].length)}${pair[1]}\r\n`, pair }
}

/** strace writes on for a moment after the traced process has gone. */
async function finishedTrace(file: string, pid: number): Promise<string> {
  const ended = new RegExp(`^${pid} +\\+\\+\\+ (?:exited with|killed by) `, 'm')
  const until = performance.now() + TRACE_TIMEOUT_MS
  for (;;) {
    const text = await readFile(file, 'latin1')
    if (ended.test(text)) return text
    if (performance.now() > until) throw new Error('the trace has no end')
    await sleep(100)
  }
}

function count(findings: readonly Finding[], problem: Finding['problem']): number {
  return findings.filter((finding) => finding.problem === problem).length
}

/** Plain, so that the replies can be read in the trace; nothing answers DNS, so the queue only grows. */
function relaySettings(port: number): string {
  return `
[queue]
max_bytes = "64 MiB"
[[listener]]
kind = "submission"
port = ${port}
tls = "none"
require_auth = false
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:9"]
trust = "none"
[metrics]
listen = "127.0.0.1:0"
`
}
