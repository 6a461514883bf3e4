/** `hermetic nodes`: which relays share the queue, how each stands, and what it does. */
import { wantedRoles } from '../wiring/served-roles.ts'
import { readArguments } from './arguments.ts'
import { nodeJson, nodesText } from './nodes-text.ts'
import { openNodes } from './open-nodes.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Verb } from './verb.ts'

export const nodes: Verb = {
  summary: 'which relays share the queue, how each stands, and what it does',
  help: `Usage: hermetic nodes [--json] [--config FILE]

Asks the running relay over its socket in data_dir; when none runs here and the queue is in Redis, asks Redis.

  STATE      starting, running, draining, stopping; silent when its beats are missing: it is dead, stopped or cut off.
             A node that stopped in order is not listed; a silent one for a day
  BEAT       since its last sign of life, by the clock of Redis
  CLOCK      how far the clock of its machine is ahead of the clock of Redis; ! when that is too far
  LANES      destinations that it talks to now
  IN FLIGHT  messages that it has taken and not settled
  ROLES      what it does: all, or some of submission, delivery, reporter and api
  *          the node that was asked

Exit code: 1 when no relay runs here and there is nobody else to ask.

  --json         one JSON object a line
  --config FILE  read this configuration file

Examples:
  hermetic nodes
  hermetic nodes --json | jq -r 'select(.state == "silent") | .hostname'
`,
  async run(args, terminal) {
    const { values } = readArguments(args, { ...CONFIG_OPTION, json: { type: 'boolean', default: false } })
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const opened = await openNodes(settings.config)
    if (opened === undefined) {
      terminal.err(`No relay runs on ${settings.config.data_dir}.\n${tryHint(settings.config, 'nodes')}`)
      return EXIT.failed
    }
    try {
      const report = await opened.report()
      const now = terminal.now()
      const wanted = wantedRoles(settings.config)
      if (values.json) for (const node of report.nodes) terminal.out(`${nodeJson(node, { ...report, now })}\n`)
      else if (report.nodes.length === 0) terminal.out('No relay of this queue runs.\n')
      else terminal.out(nodesText(report, { now, width: terminal.columns, colours: terminal.colours, wanted }))
      return EXIT.done
    } finally {
      opened.close()
    }
  },
}
