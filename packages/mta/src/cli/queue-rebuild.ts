/** `hermetic queue rebuild`: makes everything that is derived from the messages anew where it is wrong. */
import { readArguments } from './arguments.ts'
import { openMovableQueue } from './open-movable-queue.ts'
import { rebuildText } from './rebuild-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { EXIT, type Terminal } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  check: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
} as const

export async function queueRebuild(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = readArguments(args, OPTIONS)
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return EXIT.configuration
  const queue = await openMovableQueue(settings.config, { create: false })
  if (queue === undefined) {
    terminal.err(`There is no queue in ${settings.config.data_dir} yet: the relay has not run here.\n`)
    return EXIT.done
  }
  try {
    const before = await queue.mend({ fix: !values.check })
    const looksAgain = !values.check && before.findings.length > 0
    const after = looksAgain ? await queue.mend({ fix: false }) : undefined
    terminal.out(values.json ? `${JSON.stringify({ before, after })}\n` : rebuildText(before, after))
    return (values.check ? before : (after ?? before)).findings.length === 0 ? EXIT.done : EXIT.failed
  } finally {
    await queue.close()
  }
}
