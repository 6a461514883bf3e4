/**
 * Every 250 is written after the sync that covers its message: shown with strace on the real relay, for content in
 * the store and content in files, several messages at once so that commits are shared. The analyser and its own
 * tests are in test/anomaly/durable-before-250; that it can fail is shown here by two weakened relays.
 */
import assert from 'node:assert/strict'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { describe, it } from 'node:test'
import { durabilityFindings, type Finding } from '../anomaly/durable-before-250/durability.ts'
import {
  FILE_MESSAGES,
  finishedTrace,
  INLINE_MESSAGES,
  submitMarked,
} from '../anomaly/durable-before-250/marked-messages.ts'
import { parseStraceLog, STRACE_OPTIONS } from '../anomaly/durable-before-250/strace-log.ts'
import { covers } from '../conformance/covers.ts'
import { freePort, RelayInstance } from './relay-instance.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const WEAKENED_RELAY = `${ROOT}test/anomaly/durable-before-250/weakened-relay.ts`
const LOG_NAME = 'spool.db-wal'
const FILE_BYTES = 1024 * 1024

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
    const submitted = await submitMarked({ port, fileBytes: FILE_BYTES })
    await relay.stop()
    const calls = parseStraceLog(await finishedTrace(trace, relay.pid ?? 0))
    return durabilityFindings(calls, submitted, LOG_NAME)
  } finally {
    await relay.kill()
    await rm(dir, { recursive: true, force: true })
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
