/**
 * `hermetic start`: runs the relay until a signal ends it. Without a configuration file it is ready for a first
 * message; `--try` also opens a mailbox of its own, so that the message visibly arrives.
 */
import { isatty } from 'node:tty'
import { ok } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { type Relay, startRelay } from '../main.ts'
import { parseRoles, ROLES } from '../nodes/role.ts'
import type { LoadConfig } from '../wiring/reload.ts'
import { readArguments } from './arguments.ts'
import { firstLogin, type Login } from './first-login.ts'
import { CONFIG_OPTION, loadSettings, readSettings } from './settings.ts'
import { describeStartProblem } from './start-problem-text.ts'
import { startText } from './start-text.ts'
import { terminalLog } from './terminal-log.ts'
import { openTryMailbox, type TryMailbox, tryConfig } from './try-mailbox.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'
import { hermeticVersion } from './version.ts'

export const start: Verb = {
  summary: 'run the relay',
  help: `Usage: hermetic start [--config FILE] [--role ROLES] [--try]

Runs the relay in the foreground until SIGINT or SIGTERM. Without a configuration file it listens for submission on
127.0.0.1 port 2587, and prints what is on, what is off and why, and a line that sends a first message.

  --config FILE  read this file
  --role ROLES   what this process does, with commas between: submission, delivery, reporter, api; all of it by default.
                 As role in the configuration, and over it; spread over processes only with the queue in Redis
  --try          deliver everything into a mailbox of this process, whatever its destination; nothing leaves this
                 machine, and the queue is kept apart (data_dir/try)

Log lines are JSON on standard output, or short lines when that is a terminal. A second signal ends at once.
SIGHUP reads the configuration, certificates and keys again, as hermetic reload does; in a terminal it means that this was
closed, and stops as well. SIGUSR1 and SIGUSR2 do nothing.

Examples:
  hermetic start --try
  hermetic start --config /etc/hermetic/hermetic.toml
  hermetic start --role submission
`,
  async run(args, given) {
    const { values } = readArguments(args, {
      ...CONFIG_OPTION,
      role: { type: 'string' },
      try: { type: 'boolean', default: false },
    })
    const terminal = withRole(values.role, given)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    let onHangUp = (): void => undefined
    const signalled = firstSignal(terminal, () => onHangUp())
    const mailbox = values.try ? await openTryMailbox(settings.config, terminal) : undefined
    const config = mailbox === undefined ? settings.config : tryConfig(settings.config, mailbox.port)
    const login = await firstLogin(config, { isTry: values.try, hasFile: settings.file !== undefined })
    const load: LoadConfig = () => {
      const read = loadSettings(settings, terminal)
      return read.ok && mailbox !== undefined ? ok(tryConfig(read.value, mailbox.port)) : read
    }
    const relay = await started(config, { login, mailbox, terminal, load })
    onHangUp = () => void relay.reload('SIGHUP')
    terminal.err(
      startText(config, {
        ...{ relay, login, isTry: values.try, file: settings.file, colours: terminal.colours },
        version: hermeticVersion(),
        node: process.versions.node,
        workingDirectory: terminal.workingDirectory,
      }),
    )
    const signal = await signalled
    if (terminal.columns !== undefined) terminal.err('\nStopping; once more to stop at once.\n')
    await relay.stop(signal)
    await mailbox?.close()
    return EXIT.done
  },
}

/** Said on the command line it counts like the variable, also when the configuration is read again. */
function withRole(words: string | undefined, terminal: Terminal): Terminal {
  if (words === undefined) return terminal
  if (!parseRoles(words).ok)
    throw new UsageError(`--role is one or more of ${ROLES.join(', ')}, with commas between them`)
  return { ...terminal, env: { ...terminal.env, HERMETIC_ROLE: words } }
}

async function started(
  config: Config,
  world: {
    readonly login: Login | undefined
    readonly mailbox: TryMailbox | undefined
    readonly terminal: Terminal
    readonly load: LoadConfig
  },
): Promise<Relay> {
  const { login, mailbox, terminal, load } = world
  const isTerminal = terminal.columns !== undefined
  const starting = startRelay(config, {
    version: hermeticVersion(),
    loadConfig: load,
    ...(isTerminal ? { logStream: terminalLog(terminal) } : {}),
    ...(login?.lives === 'with-process' ? { credentials: [login.record] } : {}),
    ...(mailbox === undefined ? {} : { resolver: mailbox.resolver }),
  })
  let relay: Awaited<typeof starting> | undefined
  try {
    relay = await starting
  } finally {
    // Nothing stays open behind a start that failed: the process would live on and serve nobody.
    if (relay?.ok !== true) await mailbox?.close()
  }
  if (relay.ok) return relay.value
  throw new UserError(describeStartProblem(relay.error))
}

/**
 * The first signal stops in order, a second one at once: everything that was promised is on disk anyway. Listened
 * for from the beginning, so that a signal during the start ends it in order too.
 */
function firstSignal(terminal: Terminal, onHangUp: () => void): Promise<string> {
  const attended = terminal.columns !== undefined || isatty(STANDARD_INPUT)
  const ending = attended ? [...STOP_SIGNALS, 'SIGHUP'] : STOP_SIGNALS
  if (!attended) process.on('SIGHUP', onHangUp)
  for (const name of USER_SIGNALS) process.on(name, () => terminal.err(`${name} does nothing; SIGHUP reloads\n`))
  return new Promise((resolve) => {
    const onFirst = (signal: string): void => {
      for (const name of ending) process.off(name, onFirst).once(name, impatient)
      resolve(signal)
    }
    for (const name of ending) process.on(name, onFirst)
  })
}

const STANDARD_INPUT = 0
const STOP_SIGNALS: readonly string[] = ['SIGINT', 'SIGTERM']
/** What programs that rotate logs send; Node would end, or open a debugger. */
const USER_SIGNALS = ['SIGUSR1', 'SIGUSR2'] as const
const impatient = (): never => process.exit(EXIT.failed)
