/**
 * The relay with its durability weakened on purpose, so that the proof of test/interop/durable-before-250.test.ts
 * can be seen to fail. No setting of the real program leads here.
 *
 * `weakened-relay.ts [--synchronous-off] [--skip-directory-fsync] --config FILE`
 */
import { parseArgs } from 'node:util'
import { loadConfig } from '../../../packages/mta/src/config/load.ts'
import { startRelay } from '../../../packages/mta/src/main.ts'

const { values } = parseArgs({
  options: {
    'synchronous-off': { type: 'boolean', default: false },
    'skip-directory-fsync': { type: 'boolean', default: false },
    config: { type: 'string' },
  },
})

const config = loadConfig({ file: values.config, env: {} })
if (!config.ok) throw new Error(JSON.stringify(config.error))

const relay = await startRelay(config.value, {
  version: 'weakened',
  spoolHooks: {
    weaken: {
      ...(values['synchronous-off'] ? { synchronous: 'OFF' as const } : {}),
      skipDirectoryFsync: values['skip-directory-fsync'],
    },
  },
})
if (!relay.ok) throw new Error(JSON.stringify(relay.error))
process.once('SIGTERM', (signal) => {
  void relay.value.stop(signal).then(() => process.exit(0))
})
