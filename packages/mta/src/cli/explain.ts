/** `hermetic explain DOMAIN`: what becomes of mail for a domain, why, and what its owner should change. */
import { join } from 'node:path'
import { assertNever, type ConclusionKind, type Explanation } from '@hermetic/policy'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import { parseAskedMail, parseDestination } from '../admin/explain-order.ts'
import type { Config } from '../config/schema.ts'
import type { Explain, ExplainRequest } from '../explain/explainer.ts'
import type { MailDomain } from '../smtp/mail-address.ts'
import { parseMailbox } from '../submission/address.ts'
import { openExplainHere } from '../wiring/explain-here.ts'
import { readArguments } from './arguments.ts'
import { explanationJson } from './explain-json.ts'
import { explanationText } from './explain-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { describeStartProblem } from './start-problem-text.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  connect: { type: 'boolean', default: false },
  from: { type: 'string' },
  tag: { type: 'string' },
  attempt: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const

/** Besides those of every verb: nothing is wrong with a policy, but mail does not get through now, or nobody knows. */
export const EXIT_NOT_NOW = 3

export const explain: Verb = {
  summary: 'what becomes of mail for a domain, why, and what its owner should change',
  help: `Usage: hermetic explain DOMAIN [--from SENDER] [--tag TAG] [--attempt N] [--connect] [--json]
                         [--config FILE]

Tells what this relay would do with mail for a domain: where it goes, which TLS policy counts, what every host must
prove, and why, with the sections of the RFCs. For the owner of the domain it lists what is wrong with the record, the
policy, the policy host and the mail hosts, and what to change. Takes a mail address too.

Asks the running relay over its socket in data_dir, so that its cache and its place in the network are what is
explained; when none runs, looks for itself with the same settings. No mail is sent.

  --connect      also connect to every host, up to the TLS handshake, and judge what it shows
  --from SENDER  of mail from this address, or <>: routes may look at it
  --tag TAG      of mail with this tag
  --attempt N    at this attempt; 1 is the first
  --json         print the explanation as JSON (docs/operating/explain.md describes it)
  --config FILE  read this configuration file

Exit codes: 0 mail is delivered (without --connect: nothing known forbids it), 1 a policy forbids it or nobody takes it,
2 the command line was not understood, 3 it waits because nobody can be reached or DNS does not answer, 78 the
configuration is wrong.

Examples:
  hermetic explain example.com
  hermetic explain --connect jane@example.com
  hermetic explain example.com --json | jq -r '.advice[].text'
`,
  async run(args, terminal) {
    const { values, positionals } = readArguments(args, OPTIONS, { min: 1, max: 1, name: 'domain' })
    const destination = destinationOf(positionals[0] ?? '')
    const mail = mailOf(values)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const answer = await explained(settings.config, { destination, connect: values.connect, mail })
    if (!answer.ok) {
      terminal.err(`${answer.error.atOnceMax} explanations are under way already; try again in a moment.\n`)
      return EXIT_NOT_NOW
    }
    const explanation = answer.value
    terminal.out(values.json ? explanationJson(explanation) : onPaper(explanation, terminal))
    return exitCode(explanation.conclusion.kind)
  },
}

/** `example.com`, `jane@example.com`, `[192.0.2.1]`; a trailing dot is forgiven. */
function destinationOf(text: string): MailDomain {
  const mailbox = text.includes('@') ? parseMailbox(text) : undefined
  const destination = mailbox?.ok ? mailbox.value.domain : parseDestination(text.replace(/\.$/, ''))
  if (destination === undefined) throw new UsageError(`${JSON.stringify(text)} is neither a domain nor a mail address`)
  return destination
}

function mailOf({
  from: sender,
  tag,
  attempt,
}: {
  readonly from?: string
  readonly tag?: string
  readonly attempt?: string
}): ExplainRequest['mail'] {
  const number = attempt === undefined ? {} : { attempt: Number(attempt) }
  const mail = parseAskedMail({
    ...(sender === undefined ? {} : { sender }),
    ...(tag === undefined ? {} : { tag }),
    ...number,
  })
  if (!mail.ok) throw new UsageError(mail.error)
  return mail.value
}

async function explained(config: Config, request: ExplainRequest): ReturnType<Explain> {
  const relay = await connectControl(join(config.data_dir, SOCKET_NAME))
  if (relay !== undefined) return relay.explain(request)
  const here = await openExplainHere(config)
  if (!here.ok) throw new UserError(describeStartProblem(here.error))
  try {
    return await here.value.explain(request)
  } finally {
    await here.value.close()
  }
}

function onPaper(explanation: Explanation, { columns: width, colours, now }: Terminal): string {
  return explanationText(explanation, { width, colours, now: now() })
}

function exitCode(kind: ConclusionKind): number {
  switch (kind) {
    case 'deliverable':
      return EXIT.done
    case 'refused':
    case 'undeliverable':
      return EXIT.failed
    case 'unreachable':
    case 'unknown':
      return EXIT_NOT_NOW
    default:
      return assertNever(kind)
  }
}
