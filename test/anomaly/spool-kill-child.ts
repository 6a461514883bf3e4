/**
 * One run of a spool under load, made to be killed: `spool-kill-child.ts <data_dir> <ledger> <count> [<point> <act> <skip>]…`,
 * on the Redis behind SPOOL_REDIS when that is set, with SPOOL_CONTENT as the directory that several runs share.
 * Facts go to the ledger file with a synchronous write, so that the kernel has each before the next step.
 */
import { openSync, writeSync } from 'node:fs'
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { openSqliteSpool } from '../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import { type FaultPoint, SpoolFaults } from '../../packages/mta/src/spool/faults.ts'
import { deliverLoad, submitLoad, type Tell } from './spool-load.ts'

/** Short, because leases on Redis outlive the process that held them; long enough for any attempt here. */
const LEASE_MS = 2000

const [dataDir = '', ledger = '', count = '0', ...armed] = process.argv.slice(2)
const faults = new SpoolFaults()
for (let at = 0; at < armed.length; at += 3) {
  const [point, act, skip] = armed.slice(at, at + 3)
  faults.arm(point as FaultPoint, { act: act === 'fail' ? 'fail' : 'kill', skip: Number(skip) })
}

const common = {
  dataDir,
  maxBytes: 256 * 1024 * 1024,
  emit: () => undefined,
  hooks: { faults, probeIntervalMs: 10 },
}
const redis = process.env['SPOOL_REDIS']
const opened =
  redis === undefined
    ? await openSqliteSpool(common)
    : await openRedisSpool({
        ...common,
        address: { url: redis },
        queue: 'kill',
        durability: 'strict',
        contentDir: process.env['SPOOL_CONTENT'] ?? `${dataDir}-content`,
      })
if (!opened.ok) throw new Error(JSON.stringify(opened.error))
process.stdout.write('ready\n')

const file = openSync(ledger, 'a')
const tell: Tell = (fact, id) => void writeSync(file, `${fact} ${id}\n`)
let submitted = false
const delivering = deliverLoad(opened.value, tell, { done: () => submitted, workers: 3, leaseMs: LEASE_MS })
await submitLoad(opened.value, tell, { count: Number(count), clients: 8 })
submitted = true
await delivering
await opened.value.close()
