/**
 * A listener for tests on an ephemeral port, with a spool that keeps what it accepted in memory. A test states
 * only what differs from the usual.
 */
import assert from 'node:assert/strict'
import { selfSigned } from '../../../../test/lab/ca.ts'
import { SmtpDialogue } from '../../../../test/lab/submit.ts'
import type { QueueId } from '../spool/queue-id.ts'
import type { AcceptOutcome, ContentSink, SpoolHealth } from '../spool/spool.ts'
import { parseMailbox } from './address.ts'
import { AuthFailures } from './auth-failures.ts'
import type { CredentialRecord } from './credential-file.ts'
import { type CredentialStore, openCredentials } from './credentials.ts'
import type { SubmissionEvent } from './events.ts'
import type { ReceivedMessage } from './incoming-message.ts'
import { DEFAULT_SUBMISSION_LIMITS, type SubmissionLimits } from './limits.ts'
import { type Listener, type ListenerOptions, type ListenerParts, startListener } from './listener.ts'
import { hashToken } from './secret-hash.ts'

export const USERNAME = 'app@example.com'
export const SECRET = 'correct horse'
export const HOSTNAME = 'relay.example.com'

export interface FixtureOptions {
  readonly listener?: Partial<ListenerOptions>
  readonly limits?: Partial<SubmissionLimits>
  readonly credentials?: readonly CredentialRecord[] | CredentialStore
  readonly advertise?: ListenerParts['advertise']
  readonly mayRelaxTls?: ListenerParts['mayRelaxTls']
  readonly accept?: (message: ReceivedMessage) => Promise<AcceptOutcome>
  readonly stage?: (id: QueueId) => ContentSink
  readonly health?: () => SpoolHealth['intake']
  readonly now?: () => number
  readonly hostname?: string
  readonly authFailures?: AuthFailures
  readonly parts?: Partial<Pick<ListenerParts, 'quotas' | 'networkQuota' | 'suppressed' | 'takesNoMail'>>
}

export interface AcceptedMessage extends ReceivedMessage {
  readonly text: string
  readonly octets: Buffer
}

export interface Fixture {
  readonly listener: Listener
  readonly port: number
  readonly accepted: AcceptedMessage[]
  readonly events: SubmissionEvent[]
  readonly discarded: () => number
  readonly ca: string
  /** Greeted, EHLO said; in TLS and authenticated where the listener wants it. */
  readonly ready: (as?: { readonly username: string; readonly secret: string }) => Promise<SmtpDialogue>
  readonly open: () => Promise<SmtpDialogue>
  readonly close: () => Promise<void>
}

let certificate: Promise<{ readonly cert: string; readonly key: string }> | undefined

export async function testCertificate(): Promise<{ readonly cert: string; readonly key: string }> {
  certificate ??= selfSigned({ names: ['localhost'] }).then((issued) => ({ cert: issued.certificate, key: issued.key }))
  return certificate
}

export async function startFixture(options: FixtureOptions = {}): Promise<Fixture> {
  const accepted: AcceptedMessage[] = []
  const events: SubmissionEvent[] = []
  let discarded = 0
  const { cert } = await testCertificate()
  const listener = await startListener({
    ...(await fixtureParts(options, (event) => void events.push(event))),
    stage:
      options.stage ??
      (() =>
        memorySink(() => {
          discarded += 1
        })),
    accept: async (message) => {
      const outcome = (await options.accept?.(message)) ?? ({ kind: 'accepted' } as const)
      if (outcome.kind === 'accepted' && message.content.kind === 'memory') {
        const octets = Buffer.from(message.content.bytes)
        accepted.push({ ...message, octets, text: octets.toString('latin1') })
      }
      return outcome
    },
  })
  const { port } = listener
  const tls = options.listener?.tls ?? 'none'
  const open = (): Promise<SmtpDialogue> =>
    SmtpDialogue.open({ port, ...(tls === 'implicit' ? { tls: { ca: cert } } : {}) })
  return {
    ...{ listener, port, accepted, events, open, ca: cert },
    discarded: () => discarded,
    ready: (as) => readyDialogue(open, { tls, ca: cert, ...as }),
    close: () => listener.close(0),
  }
}

async function fixtureParts(
  options: FixtureOptions,
  emit: (event: SubmissionEvent) => void,
): Promise<Omit<ListenerParts, 'stage' | 'accept'>> {
  const postmaster = parseMailbox('postmaster@example.com')
  assert(postmaster.ok)
  const pem = await testCertificate()
  const tls = options.listener?.tls ?? 'none'
  return {
    listener: {
      ...{ name: 'test', kind: 'submission', address: '127.0.0.1', port: 0, tls },
      requireAuth: tls !== 'none',
      allowNetworks: ['127.0.0.0/8'],
      certificate: () => pem,
      ...options.listener,
    },
    hostname: options.hostname ?? HOSTNAME,
    postmaster: postmaster.value,
    limits: { ...DEFAULT_SUBMISSION_LIMITS, ...options.limits },
    credentials: isStore(options.credentials)
      ? options.credentials
      : await openCredentials({
          fixed: options.credentials ?? [{ username: USERNAME, secretHash: hashToken(SECRET) }],
          emit,
        }),
    authFailures: options.authFailures ?? new AuthFailures(),
    spoolHealth: () => ({ intake: options.health?.() ?? 'open' }),
    emit,
    ...options.parts,
    ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
    ...(options.mayRelaxTls === undefined ? {} : { mayRelaxTls: options.mayRelaxTls }),
    ...(options.now === undefined ? {} : { now: options.now }),
  }
}

function isStore(credentials: FixtureOptions['credentials']): credentials is CredentialStore {
  return credentials !== undefined && 'verify' in credentials
}

async function readyDialogue(
  open: () => Promise<SmtpDialogue>,
  how: { readonly tls: string; readonly ca: string; readonly username?: string; readonly secret?: string },
): Promise<SmtpDialogue> {
  const dialogue = await open()
  await dialogue.reply()
  await dialogue.command('EHLO client.example.net')
  if (how.tls === 'starttls') {
    await dialogue.startTls(how.ca)
    await dialogue.command('EHLO client.example.net')
  }
  if (how.tls !== 'none') {
    const reply = await dialogue.command(authPlain(how.username ?? USERNAME, how.secret ?? SECRET))
    assert.equal(reply.code, 235, reply.text)
  }
  return dialogue
}

export function authPlain(username: string, secret: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${username}\0${secret}`).toString('base64')}`
}

export const MESSAGE = [
  'From: a@example.com',
  'To: b@example.net',
  'Subject: test',
  'Date: Sun, 22 Nov 2026 08:37:00 +0000',
  'Message-ID: <1@example.com>',
  '',
  'Hello',
  '',
].join('\r\n')

/** One message over an open session; the reply to its final dot. */
export async function submit(
  dialogue: SmtpDialogue,
  message: {
    readonly content?: string | Buffer
    readonly from?: string
    readonly to?: readonly string[]
    readonly mail?: string
  } = {},
): Promise<string> {
  const mail = await dialogue.command(message.mail ?? `MAIL FROM:<${message.from ?? 'a@example.com'}>`)
  if (mail.code !== 250) return mail.text
  for (const to of message.to ?? ['b@example.net']) {
    const rcpt = await dialogue.command(`RCPT TO:<${to}>`)
    if (rcpt.code !== 250) return rcpt.text
  }
  const data = await dialogue.command('DATA')
  if (data.code !== 354) return data.text
  const content = message.content ?? MESSAGE
  dialogue.send(Buffer.concat([typeof content === 'string' ? Buffer.from(content) : content, Buffer.from('.\r\n')]))
  const reply = await dialogue.reply()
  return reply?.text ?? 'closed'
}

function memorySink(onDiscard: () => void): ContentSink {
  const chunks: Uint8Array[] = []
  return {
    reserve: () => undefined,
    write: async (chunk) => void chunks.push(chunk),
    finish: async (top = new Uint8Array()) => ({ kind: 'memory', bytes: Buffer.concat([top, ...chunks]) }),
    discard: async () => onDiscard(),
  }
}
