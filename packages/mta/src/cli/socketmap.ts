/** `hermetic socketmap`: TLS policies for an existing Postfix, without a queue. Runs until a signal ends it. */
import { join } from 'node:path'
import { placeText, type SocketmapPlace } from '@hermetic/policy'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import { socketmapPlace } from '../config/sections/socketmap.ts'
import { type SocketmapAlone, startSocketmapAlone } from '../wiring/socketmap-alone.ts'
import { readArguments } from './arguments.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { describeStartProblem } from './start-problem-text.ts'
import { terminalLog } from './terminal-log.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'
import { hermeticVersion } from './version.ts'

const DEFAULT_PLACE: SocketmapPlace = { kind: 'tcp', address: '127.0.0.1', port: 8461 }

export const socketmap: Verb = {
  summary: 'serve TLS policies to an existing Postfix',
  help: `Usage: hermetic socketmap [--listen PLACE] [--config FILE]

Answers smtp_tls_policy_maps of Postfix from the same engine that Hermetic delivers by: MTA-STS, DANE, overrides and
the preload list. Runs alone, without a queue or listeners for mail, until SIGINT or SIGTERM. It keeps policies in
data_dir, so no relay may run on the same one; a relay serves Postfix itself with [socketmap] listen.

  --listen PLACE  an address with port, or unix:/path; without it [socketmap] listen, else 127.0.0.1:8461
  --config FILE   read this configuration file

In main.cf of Postfix (docs/operating/socketmap.md tells the rest):
  smtp_dns_support_level = dnssec
  smtp_tls_security_level = dane
  smtp_tls_policy_maps = socketmap:inet:127.0.0.1:8461:policy

Examples:
  hermetic socketmap
  hermetic socketmap --listen unix:/var/spool/postfix/hermetic/socketmap
  postmap -q example.com socketmap:inet:127.0.0.1:8461:policy
`,
  async run(args, terminal) {
    const { values } = readArguments(args, { ...CONFIG_OPTION, listen: { type: 'string' } })
    const wanted = values.listen === undefined ? undefined : placeOf(values.listen)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const { config } = settings
    const place = wanted ?? config.socketmap.listen ?? DEFAULT_PLACE
    const signalled = firstSignal()
    const running = await started(place, config, terminal)
    terminal.err(`Postfix can ask on ${placeText(place, running.port)}; SIGINT or SIGTERM ends this.\n`)
    await signalled
    await running.stop()
    return EXIT.done
  },
}

function placeOf(text: string): SocketmapPlace {
  const parsed = socketmapPlace.parse(text)
  if (!parsed.ok)
    throw new UsageError(`--listen ${JSON.stringify(text)} ${parsed.error.wrong}; write ${parsed.error.write}`)
  return parsed.value
}

async function started(place: SocketmapPlace, config: Config, terminal: Terminal): Promise<SocketmapAlone> {
  if ((await connectControl(join(config.data_dir, SOCKET_NAME))) !== undefined) throw new UserError(relayRuns(config))
  const running = await startSocketmapAlone(place, config, {
    version: hermeticVersion(),
    ...(terminal.columns === undefined ? {} : { logStream: terminalLog(terminal) }),
  })
  if (running.ok) return running.value
  const { error: problem } = running
  const isOwned = problem.kind === 'policy-cache' && problem.error.kind === 'locked'
  throw new UserError(isOwned ? relayRuns(config) : describeStartProblem(problem))
}

function relayRuns({ data_dir }: Config): string {
  return (
    `a relay, or another socketmap, runs on ${data_dir} and owns its policies. A relay serves Postfix itself: write ` +
    '[socketmap] listen = "127.0.0.1:8461" into its configuration and start it again. Or name another data_dir'
  )
}

/** A second signal ends at once: nothing in here could be lost. */
function firstSignal(): Promise<void> {
  return new Promise((resolve) => {
    for (const name of ['SIGINT', 'SIGTERM'] as const) {
      process.once(name, () => {
        process.once(name, () => process.exit(EXIT.failed))
        resolve()
      })
    }
  })
}
