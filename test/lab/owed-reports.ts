/**
 * A whole relay that has counted sessions today and owes reports about them, by order at once: results in its data_dir, a key for its
 * mails, a mail exchanger and an endpoint that take reports, and the records that ask for them.
 */
import { mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { SOCKET_NAME } from '../../packages/mta/src/admin/control-protocol.ts'
import { generateKeyPem } from '../../packages/mta/src/signing/generate-key.ts'
import { keyFilePath, writeKeyFile } from '../../packages/mta/src/signing/key-files.ts'
import { keyRecordName, reportKeyRecordText } from '../../packages/mta/src/signing/key-record.ts'
import { parseSigningKey } from '../../packages/mta/src/signing/signing-key.ts'
import { sessionTally } from '../../packages/reporter/src/tally.ts'
import { type UtcDay, utcDayOf } from '../../packages/reporter/src/utc-day.ts'
import { type Printed, runHermetic } from './command-lab.ts'
import type { NameRecords } from './dns-server.ts'
import { seedResults } from './engine-of-test.ts'
import { longEnoughDay } from './long-enough-day.ts'
import { certificateFor } from './policy-certificates.ts'
import { domainName } from './policy-host-world.ts'
import { ReportEndpoint } from './report-endpoint.ts'
import { ScriptedMx, type ScriptedMxOptions } from './scripted-mx.ts'
import { WholeRelay } from './whole-relay.ts'
import { labAuthority } from './world-host.ts'

export const SENDER = 'sender.example'
export const RCPT = 'rcpt.example'
export const SELECTOR = 'tlsrpt'
const ENDPOINT = 'reports.rcpt.example'
/** The exchanger of RCPT. */
const MX = 'mx.rcpt.example'
/** In a record: the endpoint of the world, wherever it listens. */
export const ENDPOINT_URI = 'https://endpoint/'

export interface OwedReportsOptions {
  /** TXT at `_smtp._tls`, by domain; each of these domains has results. */
  readonly published: Readonly<Record<string, readonly string[]>>
  readonly mx?: Omit<ScriptedMxOptions, 'tls'>
  /** Of the exchanger. */
  readonly tls?: 'good' | 'self-signed' | 'none'
  readonly key?: 'own' | 'none'
  /** What DNS says of the key; the right thing by default. */
  readonly keyRecord?: string
  readonly records?: Readonly<Record<string, NameRecords>>
  readonly settings?: string
}

/** Not closed before somebody orders it, so nothing is sent before a test says so. */
export function today(): UtcDay {
  return utcDayOf(Date.now())
}

interface Parts {
  readonly relay: WholeRelay
  readonly mx: ScriptedMx
  readonly endpoint: ReportEndpoint
  readonly dataDir: string
  readonly keyRecord: string
  readonly stack: AsyncDisposableStack
}

export class OwedReports implements AsyncDisposable {
  readonly relay: WholeRelay
  readonly mx: ScriptedMx
  readonly endpoint: ReportEndpoint
  /** The relay's control socket. */
  readonly socket: string
  readonly #keyRecord: string
  readonly #stack: AsyncDisposableStack

  static async start(options: OwedReportsOptions): Promise<OwedReports> {
    await longEnoughDay()
    await using stack = new AsyncDisposableStack()
    const directory = mkdtempSync(join(tmpdir(), 'hermetic-reports-'))
    stack.defer(() => rm(directory, { recursive: true, force: true }))
    const dataDir = join(directory, 'data')
    const authority = await labAuthority()
    writeFileSync(join(directory, 'roots.pem'), authority.certificate)
    const { tls = 'good', key = 'own' } = options
    const certificate = tls === 'none' ? {} : { tls: await certificateFor(MX, tls, authority) }
    const mx = stack.use(await ScriptedMx.start({ ...options.mx, ...certificate }))
    const endpoint = stack.use(await ReportEndpoint.start(await certificateFor(ENDPOINT, 'good', authority)))
    const made = key === 'own' ? await makeKey(dataDir) : ''
    const keyRecord = options.keyRecord ?? made
    await seed(dataDir, Object.keys(options.published))
    const relay = stack.use(
      await WholeRelay.start({
        settings: settings({ directory, dataDir, mx, key, more: options.settings }),
        egress: 'https_networks = ["127.0.0.0/8"]',
        records: recordsOf(options, { mx, endpoint, keyRecord }),
      }),
    )
    return new OwedReports({ relay, mx, endpoint, dataDir, keyRecord, stack: stack.move() })
  }

  /** Use `start`. */
  private constructor({ relay, mx, endpoint, dataDir, keyRecord, stack }: Parts) {
    this.socket = join(dataDir, SOCKET_NAME)
    this.relay = relay
    this.mx = mx
    this.endpoint = endpoint
    this.#keyRecord = keyRecord
    this.#stack = stack
  }

  hermetic(...args: readonly string[]): Promise<Printed> {
    return runHermetic(this.relay.file, 'tlsrpt', ...args)
  }

  /** All reports of today. */
  run(): Promise<Printed> {
    return this.hermetic('run', '--now', '--day', today())
  }

  /** Waits for the mails, but not forever. */
  async received(count: number): Promise<void> {
    await this.relay.until(() => this.mx.messages.length >= count, `${count} report mails`)
  }

  /** What the exchanger was told, of one verb. */
  commands(verb: 'MAIL' | 'RCPT'): readonly string[] {
    return this.mx.connections.flatMap(({ commands }) => commands.filter((line) => line.startsWith(verb)))
  }

  /** `domain/selector result` by mailauth, of each signature. */
  async verified(message: Buffer): Promise<readonly string[]> {
    const { results } = await dkimVerify(message, {
      resolver: async (name: string) => {
        if (name !== keyRecordName(SENDER, SELECTOR)) throw Object.assign(new Error(name), { code: 'ENOTFOUND' })
        return [[this.#keyRecord]]
      },
    })
    return results.map(({ signingDomain, selector, status }) => `${signingDomain}/${selector} ${status.result}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

function settings(about: {
  readonly directory: string
  readonly dataDir: string
  readonly mx: ScriptedMx
  readonly key: 'own' | 'none'
  readonly more: string | undefined
}): string {
  return `
data_dir = "${about.dataDir}"
[tlsrpt]
enabled = true
organization = "Sender Inc."
contact = "tlsrpt@${SENDER}"
${about.key === 'own' ? `selector = "${SELECTOR}"` : ''}
[trust]
ca_file = "${about.directory}/roots.pem"
[delivery]
port = ${about.mx.port}
${about.more ?? ''}
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
`
}

function recordsOf(
  { published, records = {} }: OwedReportsOptions,
  { mx, endpoint, keyRecord }: Pick<Parts, 'mx' | 'endpoint' | 'keyRecord'>,
): Readonly<Record<string, NameRecords>> {
  const uri = `https://${ENDPOINT}:${endpoint.port}/`
  const asked = Object.entries(published).flatMap(([domain, texts]) =>
    texts.length === 0
      ? []
      : [[`_smtp._tls.${domain}`, { TXT: texts.map((text) => text.replaceAll(ENDPOINT_URI, uri)) }] as const],
  )
  return {
    [RCPT]: { MX: [[10, MX]] },
    [MX]: { A: [mx.address] },
    [ENDPOINT]: { A: [endpoint.address] },
    ...(keyRecord === '' ? {} : { [keyRecordName(SENDER, SELECTOR)]: { TXT: [characterStrings(keyRecord)] } }),
    ...Object.fromEntries(asked),
    ...records,
  }
}

async function makeKey(dataDir: string): Promise<string> {
  const pem = generateKeyPem('rsa')
  await writeKeyFile(keyFilePath(dataDir, SENDER, SELECTOR), pem)
  const key = parseSigningKey(pem)
  if (!key.ok) throw new Error(key.error)
  return reportKeyRecordText(key.value)
}

async function seed(dataDir: string, domains: readonly string[]): Promise<void> {
  const tallies = domains.map((text) => {
    const policyDomain = domainName(text)
    const policy = { policyType: 'no-policy-found', policyDomain, policyString: [], mxHost: [] } as const
    return { day: today(), policyDomain, tally: sessionTally({ policy, failures: [] }) }
  })
  await seedResults(dataDir, tallies)
}

/** A string of a TXT record holds 255 octets. */
function characterStrings(text: string): readonly string[] {
  return text.match(/.{1,255}/g) ?? []
}
