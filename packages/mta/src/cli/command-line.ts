/**
 * The command line as a whole: finds the verb, runs it, and turns what went wrong into words and an exit code.
 */
import { suggestion } from '../config/suggestion.ts'
import { describeError } from './describe-error.ts'
import { EXIT, type Terminal, UsageError, type Verb } from './verb.ts'

interface VerbEntry {
  readonly summary: string
  load(): Promise<Verb>
}

/** Loaded when they are used: `hermetic queue list` must not wait for what `start` needs. */
const VERBS: Readonly<Record<string, VerbEntry>> = {
  start: { summary: 'run the relay', load: async () => (await import('./start.ts')).start },
  'check-config': {
    summary: 'read the configuration and tell every problem',
    load: async () => (await import('./check-config.ts')).checkConfig,
  },
  'describe-config': {
    summary: 'print a configuration file with every setting explained',
    load: async () => (await import('./describe-config.ts')).describeConfig,
  },
  doctor: {
    summary: 'check what mail needs outside of the relay: DNS, port 25, disk, clock, …',
    load: async () => (await import('./doctor.ts')).doctor,
  },
  explain: {
    summary: 'what becomes of mail for a domain, why, and what its owner should change',
    load: async () => (await import('./explain.ts')).explain,
  },
  dkim: {
    summary: 'make keys that sign mail, print their DNS records, and check what is published',
    load: async () => (await import('./dkim.ts')).dkim,
  },
  credential: {
    summary: 'add, list and remove logins',
    load: async () => (await import('./credential.ts')).credential,
  },
  queue: {
    summary: 'look at waiting mail, and hold, retry or cancel it',
    load: async () => (await import('./queue.ts')).queue,
  },
  reload: {
    summary: 'let the running relay read its configuration, certificates and keys again',
    load: async () => (await import('./reload.ts')).reload,
  },
  hold: {
    summary: 'rules that keep mail back: to a domain, from a sender, by a login, with a tag',
    load: async () => (await import('./hold.ts')).hold,
  },
  suppression: {
    summary: 'addresses that get no mail because they refused it for good',
    load: async () => (await import('./suppression.ts')).suppression,
  },
  nodes: {
    summary: 'which relays share the queue, how each stands, and what it does',
    load: async () => (await import('./nodes.ts')).nodes,
  },
  drain: {
    summary: 'take a relay out of service without mail waiting for it, and put it back',
    load: async () => (await import('./drain.ts')).drain,
  },
  api: {
    summary: 'who may use the control API, and what was ordered over it',
    load: async () => (await import('./api.ts')).api,
  },
  override: {
    summary: 'what is required, waived and observed for single domains, and the preload list',
    load: async () => (await import('./override.ts')).override,
  },
  observe: {
    summary: 'what observed policies would have refused, had they been enforced',
    load: async () => (await import('./observe.ts')).observe,
  },
  policy: {
    summary: 'look at cached MTA-STS policies, fetch them now or throw them away',
    load: async () => (await import('./policy.ts')).policy,
  },
  send: {
    summary: 'hand one message to a relay, as an application would',
    load: async () => (await import('./nodemailer-send.ts')).send,
  },
  socketmap: {
    summary: 'serve TLS policies to an existing Postfix',
    load: async () => (await import('./socketmap.ts')).socketmap,
  },
  status: { summary: 'what the running relay does', load: async () => (await import('./status.ts')).status },
  tlsrpt: {
    summary: 'daily TLS reports: send them, see what waits, make their key, read those of others',
    load: async () => (await import('./tlsrpt.ts')).tlsrpt,
  },
  trace: {
    summary: 'what became of a message, also when it is gone',
    load: async () => (await import('./trace.ts')).trace,
  },
  version: {
    summary: 'print the versions of Hermetic and Node.js',
    load: async () => (await import('./version.ts')).version,
  },
}

export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  const [name, ...rest] = args
  if (name === undefined || name === 'help' || name === '--help' || name === '-h') return help(rest[0], terminal)
  if (name === '--version') return runCommandLine(['version'], terminal)
  const entry = Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (entry === undefined) {
    const near = suggestion(name, Object.keys(VERBS))
    const known = near === undefined ? 'hermetic --help lists the verbs' : `did you mean ${near}?`
    terminal.err(`hermetic: ${name} is not a verb; ${known}\n`)
    return EXIT.usage
  }
  const verb = await entry.load()
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.out(verb.help)
    return EXIT.done
  }
  try {
    return await verb.run(rest, terminal)
  } catch (error) {
    return told(error, name, terminal)
  }
}

function told(error: unknown, verb: string, terminal: Terminal): number {
  const { text, defect } = describeError(error)
  terminal.err(`hermetic ${verb}: ${text}\n`)
  if (error instanceof UsageError) {
    terminal.err(`hermetic ${verb} --help tells more\n`)
    return EXIT.usage
  }
  if (defect && error instanceof Error)
    terminal.err(`This is a defect of Hermetic. Please report it with this text:\n${error.stack}\n`)
  return EXIT.failed
}

async function help(name: string | undefined, terminal: Terminal): Promise<number> {
  const entry = name !== undefined && Object.hasOwn(VERBS, name) ? VERBS[name] : undefined
  if (entry !== undefined) {
    terminal.out((await entry.load()).help)
    return EXIT.done
  }
  const width = Math.max(...Object.keys(VERBS).map((verb) => verb.length))
  const verbs = Object.entries(VERBS).map(([verb, { summary }]) => `  ${verb.padEnd(width)}  ${summary}`)
  terminal.out(`Hermetic, an outbound mail relay that keeps TLS promises.

Usage: hermetic VERB [OPTIONS]

${verbs.join('\n')}

hermetic VERB --help tells more, with examples. --config FILE names the configuration file where one is read;
otherwise it is $HERMETIC_CONFIG, or hermetic.toml in the working directory, or the defaults.

Exit codes: 0 done, 1 something failed or a check found something wrong, 2 the command line was not understood,
78 the configuration is wrong.
`)
  return EXIT.done
}
