/** Sessions and transactions for the tests of the client: the happy path, of which each test changes what it is about. */
import { invariant, parseDomainName } from '@hermetic/policy'
import type { MxAnswer, MxScript } from '../../../../test/lab/mx-script.ts'
import { DEFAULT_CAPABILITIES, ScriptedMx } from '../../../../test/lab/scripted-mx.ts'
import { SmtpConnection } from './client.ts'
import type { Recipient } from './envelope.ts'
import { type MailAddress, nullReversePath } from './mail-address.ts'
import type { SmtpTimeouts } from './timeouts.ts'
import type { RecipientResult, Transaction, TransactionResult } from './transaction.ts'

/** Long enough for a loaded machine: a test that waits for one of these sets it shorter itself. */
const PATIENCE_MS = 20_000

export const PATIENT: SmtpTimeouts = {
  connectMs: PATIENCE_MS,
  greetingMs: PATIENCE_MS,
  ehloMs: PATIENCE_MS,
  startTlsMs: PATIENCE_MS,
  tlsHandshakeMs: PATIENCE_MS,
  mailMs: PATIENCE_MS,
  rcptMs: PATIENCE_MS,
  dataMs: PATIENCE_MS,
  dataBlockMs: PATIENCE_MS,
  finalDotMs: PATIENCE_MS,
  rsetMs: PATIENCE_MS,
  quitMs: PATIENCE_MS,
}

export const CLIENT_NAME = 'relay.example.com'

interface Listening {
  readonly address: string
  readonly port: number
}

export interface SampleConnectOptions {
  readonly timeouts?: Partial<SmtpTimeouts>
  readonly signal?: AbortSignal
  readonly chunking?: boolean
}

export function dial(mx: Listening, { timeouts, signal, chunking }: SampleConnectOptions = {}) {
  return SmtpConnection.connect({
    address: mx.address,
    port: mx.port,
    timeouts: { ...PATIENT, ...timeouts },
    chunking,
    ...(signal === undefined ? {} : { signal }),
  })
}

/** Connected, greeted, not yet introduced. */
export async function connected(mx: Listening, options: SampleConnectOptions = {}): Promise<SmtpConnection> {
  const connection = await dial(mx, options)
  invariant(connection.ok, `connected: ${JSON.stringify(connection)}`)
  return connection.value
}

/** After EHLO. */
export async function introduced(mx: Listening, options: SampleConnectOptions = {}): Promise<SmtpConnection> {
  const connection = await connected(mx, options)
  const hello = await connection.ehlo(CLIENT_NAME)
  invariant(hello.ok, `introduced: ${JSON.stringify(hello)}`)
  return connection
}

export interface SampleTransaction {
  readonly from?: string
  readonly to?: readonly (string | Partial<Recipient>)[]
  readonly content?: string | Buffer | Transaction['content']
  readonly envelope?: Partial<Transaction['envelope']>
  readonly beforeFinalDot?: () => boolean | Promise<boolean>
}

export function mail(sample: SampleTransaction = {}): Transaction {
  return {
    envelope: {
      reversePath: sample.from === '' ? nullReversePath : address(sample.from ?? 'sender@example.com'),
      body: '7bit',
      smtpUtf8: false,
      requireTls: false,
      dsn: {},
      ...sample.envelope,
    },
    recipients: (sample.to ?? ['u@example.net']).map((to, index) =>
      typeof to === 'string' ? { index, address: address(to) } : { index, address: address('u@example.net'), ...to },
    ),
    content: contentOf(sample.content ?? 'Subject: a test\r\n\r\nHello.\r\n'),
    ...(sample.beforeFinalDot === undefined ? {} : { beforeFinalDot: sample.beforeFinalDot }),
  }
}

export function address(text: string): MailAddress {
  const at = text.lastIndexOf('@')
  const name = parseDomainName(text.slice(at + 1))
  invariant(name.ok, `a domain in ${text}`)
  return { localPart: text.slice(0, at), domain: { kind: 'name', name: name.value } }
}

function contentOf(content: string | Buffer | Transaction['content']): Transaction['content'] {
  if (typeof content === 'object' && 'kind' in content) return content
  const bytes = Buffer.from(content)
  return { kind: 'memory', size: bytes.length, bytes }
}

/** The results in a word each, with phase and code of refusals: what most tests compare. */
export function told(result: TransactionResult): readonly string[] {
  if (result.kind === 'not-sent') return [`not-sent ${JSON.stringify(result.because)}`]
  const words = result.recipients.map(resultWord)
  if (result.kind === 'answered') return words
  const { problem, phase, afterFinalDot } = result.failure
  return [...words, `${problem.kind} in ${phase}${afterFinalDot ? ' after the dot' : ''}`]
}

function resultWord(result: RecipientResult): string {
  switch (result.kind) {
    case 'accepted':
      return 'accepted'
    case 'refused':
      return `${result.phase} ${result.reply.code}`
    case 'too-many-recipients':
      return `too many ${result.reply.code}`
    default:
      return 'unsettled'
  }
}

/** Without PIPELINING. */
export const ALONE = DEFAULT_CAPABILITIES.filter((keyword) => keyword !== 'PIPELINING')
export const MODES = [
  ['in a group', DEFAULT_CAPABILITIES],
  ['one by one', ALONE],
] as const

/** One transaction against this script, then QUIT. */
export async function once(
  { script = {}, capabilities = DEFAULT_CAPABILITIES }: { script?: MxScript; capabilities?: readonly string[] },
  sample: SampleTransaction = {},
) {
  await using mx = await ScriptedMx.start({ script, capabilities })
  const connection = await introduced(mx)
  const result = await connection.transact(mail(sample))
  await connection.quit()
  await mx.connection.ended
  return { result, told: told(result), mx, verbs: verbs(mx) }
}

/** The commands after EHLO. */
export function verbs(mx: ScriptedMx): readonly string[] {
  return mx.connection.commands.slice(1).map((line) => line.slice(0, 4))
}

/** An answer for each recipient named here. */
export function rcpt(answers: Readonly<Record<string, MxAnswer>>): MxScript['RCPT'] {
  return ({ recipient = '' }) => answers[recipient]
}
