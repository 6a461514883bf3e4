/**
 * The relay's intake (listener, spool, nothing behind them) with durability weakened on purpose, so that the proof
 * of test/interop/durable-before-250.test.ts can be seen to fail. No setting of the real program leads here.
 *
 * `weakened-relay.ts [--synchronous-off] [--skip-directory-fsync] --config FILE`
 */
import { parseArgs } from 'node:util'
import { loadConfig } from '../../../packages/mta/src/config/load.ts'
import { laneFor } from '../../../packages/mta/src/delivery/route.ts'
import { openSqliteSpool } from '../../../packages/mta/src/spool/adapters/sqlite-spool.ts'
import type { SpoolHooks } from '../../../packages/mta/src/spool/faults.ts'
import { messageAcceptor } from '../../../packages/mta/src/submission/accept.ts'
import { openCredentials } from '../../../packages/mta/src/submission/credentials.ts'
import { DEFAULT_SUBMISSION_LIMITS } from '../../../packages/mta/src/submission/limits.ts'
import { startListener } from '../../../packages/mta/src/submission/listener.ts'

const { values } = parseArgs({
  options: {
    'synchronous-off': { type: 'boolean', default: false },
    'skip-directory-fsync': { type: 'boolean', default: false },
    config: { type: 'string' },
  },
})
const weaken: NonNullable<SpoolHooks['weaken']> = {
  ...(values['synchronous-off'] ? { synchronous: 'OFF' as const } : {}),
  skipDirectoryFsync: values['skip-directory-fsync'],
}

const config = loadConfig({ file: values.config, env: {} })
if (!config.ok) throw new Error(JSON.stringify(config.error))
const { data_dir: dataDir, queue, listener: listeners, delivery } = config.value
const [listener] = listeners
if (listener === undefined) throw new Error('the configuration names no listener')

const opened = await openSqliteSpool({
  dataDir,
  maxBytes: queue.max_bytes,
  emit: () => undefined,
  hooks: { weaken },
})
if (!opened.ok) throw new Error(JSON.stringify(opened.error))
const spool = opened.value

const open = await startListener({
  listener: {
    name: 'weakened',
    kind: listener.kind,
    address: listener.address,
    port: listener.port,
    tls: 'none',
    requireAuth: listener.require_auth,
    allowNetworks: listener.allow_networks,
  },
  hostname: 'relay.hermetic.test',
  postmaster: { localPart: 'postmaster', domain: config.value.hostname },
  limits: DEFAULT_SUBMISSION_LIMITS,
  credentials: await openCredentials({ fixed: [], emit: () => undefined }),
  stage: (id) => spool.stage(id),
  accept: messageAcceptor({
    spool,
    laneFor: (address) => laneFor(address, { port: delivery.port }),
    maxAgeMs: delivery.max_age,
    onAccepted: () => undefined,
  }),
  spoolHealth: () => spool.health(),
  emit: () => undefined,
})

process.once('SIGTERM', () => {
  void open
    .close(0)
    .then(() => spool.close())
    .then(() => process.exit(0))
})
