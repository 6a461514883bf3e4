/**
 * A start that meets a defect, in a process of its own: `start-child.ts <configuration> <event>`. When the relay tells
 * this event something breaks; the exit code is that of `hermetic start`, when nothing keeps the process alive.
 */
import { loadConfig } from '../../packages/mta/src/config/load.ts'
import { startRelay } from '../../packages/mta/src/main.ts'

const [file = '', faulty = ''] = process.argv.slice(2)
const config = loadConfig({ file, env: {} })
if (!config.ok) throw new Error(JSON.stringify(config.error))
try {
  await startRelay(config.value, {
    version: 'test',
    onEvent: ({ event }) => {
      if (event === faulty) throw new Error('a defect of the test')
    },
  })
} catch {
  process.exitCode = 1
}
