/**
 * The mailbox of `start --try`: a mail exchanger in this process that prints what arrives, and a resolver by which
 * every domain's mail goes there. The relay in front of it is the real one: it looks up, connects, starts TLS,
 * judges and settles as it always does.
 */
import { join } from 'node:path'
import { type DnsAnswer, type DnsResolver, type DomainName, invariant, parseDomainName } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { formatAddress, formatReversePath } from '../smtp/mail-address.ts'
import { makeDurableDirectory } from '../spool/durable-file.ts'
import type { ContentSink, NewContent } from '../spool/spool.ts'
import { openCredentials } from '../submission/credentials.ts'
import type { ReceivedMessage } from '../submission/incoming-message.ts'
import { DEFAULT_SUBMISSION_LIMITS } from '../submission/limits.ts'
import { type Listener, startListener } from '../submission/listener.ts'
import { selfSignedCertificate } from '../submission/self-signed.ts'
import { coloured } from './colour.ts'
import { tryDirectory } from './try-directory.ts'
import type { Terminal } from './verb.ts'

export interface TryMailbox {
  readonly port: number
  readonly resolver: DnsResolver
  close(): Promise<void>
}

const ADDRESS = '127.0.0.1'
const HOSTNAME = 'mailbox.hermetic.test'
const TTL_SECONDS = 300
/** What is printed of a message; the rest is only counted. */
const SHOWN_BYTES_MAX = 4_096

/** The data_dir, port and exceptions that `--try` runs with: a queue of its own, and one place to deliver to. */
export function tryConfig(config: Config, port: number): Config {
  return {
    ...config,
    data_dir: tryDirectory(config),
    // Never the queue that relays share: its mail would end in this mailbox.
    queue: { engine: 'embedded', max_bytes: config.queue.max_bytes },
    delivery: { ...config.delivery, port },
    egress: { ...config.egress, smtp_networks: [`${ADDRESS}/32` as Config['egress']['smtp_networks'][number]] },
  }
}

export async function openTryMailbox(config: Config, terminal: Terminal): Promise<TryMailbox> {
  const directory = join(tryDirectory(config), 'mailbox')
  await makeDurableDirectory(directory, {})
  const certificate = await selfSignedCertificate({ directory, hostname: HOSTNAME })
  const arriving = new Map<string, MemorySink>()
  const listener: Listener = await startListener({
    listener: {
      ...{ name: 'try-mailbox', kind: 'relay', address: ADDRESS, port: 0, tls: 'starttls', requireAuth: false },
      certificate: () => certificate,
      allowNetworks: [`${ADDRESS}/32`],
    },
    hostname: HOSTNAME,
    postmaster: { localPart: 'postmaster', domain: { kind: 'name', name: domain(HOSTNAME) } },
    limits: { ...DEFAULT_SUBMISSION_LIMITS, earlyTalkerDelayMs: 0 },
    credentials: await openCredentials({ fixed: [], emit: () => undefined }),
    stage: (id) => {
      const sink = new MemorySink(() => arriving.delete(id))
      arriving.set(id, sink)
      return sink
    },
    accept: async (message) => {
      arriving.delete(message.id)
      terminal.out(arrivalText(message, terminal.colours))
      return { kind: 'accepted' }
    },
    spoolHealth: () => ({ intake: 'open' }),
    emit: () => undefined,
  })
  return { port: listener.port, resolver: tryResolver(), close: () => listener.close(0) }
}

/** A message that is shown and forgotten may live in memory; its size is bounded by the relay in front. */
class MemorySink implements ContentSink {
  readonly #chunks: Uint8Array[] = []
  readonly #whenDiscarded: () => void

  constructor(whenDiscarded: () => void) {
    this.#whenDiscarded = whenDiscarded
  }

  /** Memory has room everywhere. */
  reserve(): void {}

  async write(chunk: Uint8Array): Promise<void> {
    this.#chunks.push(chunk)
  }

  async finish(top: Uint8Array = new Uint8Array()): Promise<NewContent> {
    return { kind: 'memory', bytes: Buffer.concat([top, ...this.#chunks]) }
  }

  async discard(): Promise<void> {
    this.#whenDiscarded()
  }
}

/** Every domain has one exchanger, the mailbox, at the only address. */
function tryResolver(): DnsResolver {
  const exchange = domain(HOSTNAME)
  const found = <T>(name: DomainName, record: T): Promise<DnsAnswer<T>> =>
    Promise.resolve({
      kind: 'records',
      records: [record],
      secure: false,
      canonicalName: name,
      ttlSeconds: TTL_SECONDS,
    })
  const nothing = <T>(): Promise<DnsAnswer<T>> =>
    Promise.resolve({
      kind: 'absent',
      reason: 'nodata',
      secure: false,
      canonicalName: exchange,
      ttlSeconds: TTL_SECONDS,
    })
  return {
    mx: (name) => found(name, { preference: 10, exchange }),
    address: (name, family) => (family === 4 ? found(name, ADDRESS) : nothing()),
    txt: nothing,
    cname: nothing,
    tlsa: nothing,
    reverse: nothing,
  }
}

function arrivalText({ envelope, recipients, content }: ReceivedMessage, colours: boolean): string {
  const bytes = content.kind === 'memory' ? content.bytes : new Uint8Array()
  const text = Buffer.from(bytes.subarray(0, SHOWN_BYTES_MAX)).toString('utf8')
  const lines = printable(text)
    .trimEnd()
    .split('\n')
    .map((line) => `  │ ${line}`)
  const more = bytes.length > SHOWN_BYTES_MAX ? [`  │ … ${bytes.length} bytes in all`] : []
  const to = recipients.map(({ address }) => formatAddress(address)).join(', ')
  const head = `  ✉ arrived over TLS: from <${formatReversePath(envelope.reversePath)}> to ${to}`
  return `\n${coloured(head, 'strong', colours)}\n${[...lines, ...more].join('\n')}\n\n`
}

/** Mail must not steer the terminal. */
function printable(text: string): string {
  return text.replaceAll('\r\n', '\n').replaceAll(/[^\n\t\P{C}]/gu, '�')
}

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  invariant(name.ok, `${text} is a domain name`)
  return name.value
}
