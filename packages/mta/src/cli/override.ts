/** `hermetic override list`: what is required, waived and observed for single domains, and the preload list. */
import { readArguments } from './arguments.ts'
import { openLocalPolicy } from './open-local-policy.ts'
import { overrideJson, overridesText, preloadJson } from './override-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { EXIT, UsageError, type Verb } from './verb.ts'

const OPTIONS = { ...CONFIG_OPTION, json: { type: 'boolean', default: false } } as const

export const override: Verb = {
  summary: 'what is required, waived and observed for single domains, and the preload list',
  help: `Usage: hermetic override list [--json]

Tells every [[policy_override]] with what it changes and how it stands: active, expiring (within 7 days) or expired,
which does nothing any more; whether policies are enforced or only observed everywhere else; and the preload list. Asks
the running relay over its socket in data_dir, which goes by what the file said when it started; when none runs, reads
the configuration file.

  --json         one JSON object a line
  --config FILE  read this configuration file

Exits with 1 when a waiver or the preload list has expired.

Examples:
  hermetic override list
  hermetic override list --json | jq -r 'select(.state == "expired") | .domain'
`,
  async run([name, ...args], terminal) {
    if (name !== 'list') throw new UsageError('write: override list')
    const { values } = readArguments(args, OPTIONS, { min: 0, max: 0, name: 'words' })
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const { report, by } = await openLocalPolicy(settings.config, terminal.now)
    if (by === 'file') terminal.err('No relay runs; reading the configuration.\n')
    if (values.json) {
      const { overrides, preload } = report
      const lines = [...overrides.map(overrideJson), ...(preload === undefined ? [] : [preloadJson(preload)])]
      terminal.out(lines.map((line) => `${line}\n`).join(''))
    } else {
      terminal.out(overridesText(report, { now: terminal.now(), width: terminal.columns }))
    }
    const ended = [...report.overrides, ...(report.preload === undefined ? [] : [report.preload])]
    return ended.some(({ state }) => state === 'expired') ? EXIT.failed : EXIT.done
  },
}
