/**
 * What the delivery history costs: the recorder and its store are told of messages as a relay tells of them, and the
 * CPU time of both threads, the bytes on disk and the times of look-ups are printed.
 *
 *   ./tools/node test/bench/history.ts [messages]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SqliteHistory } from '../../packages/mta/src/history/adapters/sqlite-history.ts'
import type { HistoryKey } from '../../packages/mta/src/history/delivery-history.ts'
import { HistoryRecorder } from '../../packages/mta/src/history/recorder.ts'
import { type HistoryMessage, historyMessages } from './history-messages.ts'

const MESSAGES = Number(process.argv[2] ?? 200_000)
/** The event loop gets its turn as often as with a relay. */
const PER_TURN = 20

const dataDir = mkdtempSync(join(tmpdir(), 'hermetic-history-bench-'))
const history = new SqliteHistory({ dataDir, retentionMs: 7 * 86_400_000, maxBytes: 2 ** 40, now: Date.now })
let dropped = 0
let usedBytes = 0
const recorder = new HistoryRecorder({
  ...{ history, now: Date.now, monotonic: () => performance.now() },
  emit: (event) => {
    if (event.event === 'history-dropped') dropped += event.entries
    if (event.event === 'history-written') usedBytes = event.usedBytes
  },
})

try {
  await pass(1_000, tell)
  const idle = await pass(MESSAGES, () => undefined)
  const before = usedBytes
  const told = await pass(MESSAGES, tell)
  console.log(`${MESSAGES} messages, ${dropped} entries dropped`)
  console.log(`CPU ${((told.cpuUs - idle.cpuUs) / MESSAGES).toFixed(1)} µs a message, both threads`)
  console.log(`${((usedBytes - before) / MESSAGES).toFixed(0)} bytes a message`)
  for (const by of told.keys) {
    const startedAt = performance.now()
    const { messages } = await history.find({ by, limit: 10 })
    console.log(`${by.kind}: ${messages.length} found in ${(performance.now() - startedAt).toFixed(1)} ms`)
  }
} finally {
  await recorder.close()
  await history.close()
  rmSync(dataDir, { recursive: true })
}

function tell({ message, events }: HistoryMessage): void {
  recorder.accepted(message)
  for (const event of events) recorder.tell(event)
}

async function pass(count: number, each: (message: HistoryMessage) => void) {
  const from = process.cpuUsage()
  const keys: HistoryKey[] = []
  let made = 0
  for (const one of historyMessages(count)) {
    each(one)
    made += 1
    if (made % PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    // A store that is slower than this loop is waited for, as a relay would never do.
    if (made % 5_000 === 0) await recorder.caughtUp()
    if (made === 1) keys.push(...one.keys)
  }
  await recorder.caughtUp()
  const { user, system } = process.cpuUsage(from)
  return { cpuUs: user + system, keys }
}
