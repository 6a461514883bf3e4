/**
 * Postfix as the mail exchanger of a few test domains: STARTTLS required, mailboxes as maildirs, everybody else
 * refused at RCPT. What arrived is read from the maildirs, how it arrived from Postfix' own log and Received field.
 * The same mailboxes can be reached at more addresses, where TLS is only offered, or not even that.
 */
import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { IssuedCertificate } from '../lab/ca.ts'
import { untilGreeting } from './greeting.ts'
import { PostfixInstance } from './postfix-instance.ts'

export interface PostfixMxOptions {
  readonly dir: string
  readonly port: number
  readonly certificate: IssuedCertificate
  /** Addresses that exist; their domains are the ones it takes mail for. */
  readonly mailboxes: readonly string[]
  readonly further?: readonly FurtherListener[]
}

/** On the same port of another address: takes mail in clear as well, so whatever keeps mail away is the client. */
export interface FurtherListener {
  /** Its lines in the log are those of `postfix/<name>/smtpd`. */
  readonly name: string
  readonly address: string
  readonly certificate: IssuedCertificate
  /** EHLO does not say STARTTLS, as if somebody on the path had taken it away. */
  readonly hidesStartTls?: boolean
  /** Nor DSN, as older servers do. */
  readonly hidesDsn?: boolean
}

const START_TIMEOUT_MS = 15_000
const ARRIVAL_TIMEOUT_MS = 30_000
const POLL_MS = 100
const MAILBOX_USER = 'nobody'

export class PostfixMx {
  readonly #dir: string
  readonly #instance: PostfixInstance

  private constructor(dir: string, instance: PostfixInstance) {
    this.#dir = dir
    this.#instance = instance
  }

  static async start(options: PostfixMxOptions): Promise<PostfixMx> {
    await mkdir(options.dir, { recursive: true })
    const uid = await mailboxUser()
    const mail = `${options.dir}/mail`
    await mkdir(mail)
    await chown(mail, uid, uid)
    await writeFile(`${options.dir}/cert.pem`, options.certificate.chain)
    await writeFile(`${options.dir}/key.pem`, options.certificate.key, { mode: 0o600 })
    await chmod(options.dir, 0o755)
    const further = options.further ?? []
    const furtherLines = await Promise.all(further.map((listener) => furtherListener(options, listener)))
    const instance = await PostfixInstance.start({
      dir: options.dir,
      logFile: `${options.dir}/mail.log`,
      listeners: [`127.0.0.1:${options.port} inet n - n - - smtpd`, ...furtherLines.flat()],
      settings: settingsOf(options, uid),
    })
    await untilGreeting(options.port, START_TIMEOUT_MS)
    return new PostfixMx(options.dir, instance)
  }

  /** Waits for one message in the mailbox and answers it with LF line ends, as a maildir keeps it. */
  async nextMessage(mailbox: string): Promise<string> {
    const folder = `${this.#dir}/mail/${mailbox}/new`
    const until = performance.now() + ARRIVAL_TIMEOUT_MS
    for (;;) {
      const [name] = await readdir(folder).catch(() => [])
      if (name !== undefined) return await readFile(`${folder}/${name}`, 'utf8')
      if (performance.now() > until)
        throw new Error(`nothing arrived for ${mailbox}; Postfix says:\n${await this.log()}`)
      await sleep(POLL_MS)
    }
  }

  log(): Promise<string> {
    return this.#instance.log()
  }

  stop(): Promise<void> {
    return this.#instance.stop()
  }
}

/** Lines of master.cf. */
async function furtherListener(
  { dir, port }: Pick<PostfixMxOptions, 'dir' | 'port'>,
  { name, address, certificate, hidesStartTls = false, hidesDsn = false }: FurtherListener,
): Promise<readonly string[]> {
  const file = `${dir}/${name}.pem`
  await writeFile(file, certificate.key + certificate.chain, { mode: 0o600 })
  const hidden = [...(hidesStartTls ? ['starttls'] : []), ...(hidesDsn ? ['dsn'] : [])]
  return [
    `${address}:${port} inet n - n - - smtpd`,
    `  -o syslog_name=postfix/${name}`,
    '  -o smtpd_tls_security_level=may',
    `  -o smtpd_tls_chain_files=${file}`,
    ...(hidden.length === 0 ? [] : [`  -o smtpd_discard_ehlo_keywords=${hidden.join(',')}`]),
  ]
}

function settingsOf(options: PostfixMxOptions, uid: number): Record<string, string> {
  const domains = [...new Set(options.mailboxes.map((mailbox) => mailbox.split('@')[1]))]
  const mailboxes = options.mailboxes.map((mailbox) => `{ ${mailbox} = ${mailbox}/ }`)
  return {
    myhostname: 'postfix.hermetic.test',
    mynetworks: '',
    smtpd_relay_restrictions: 'reject_unauth_destination',
    smtpd_peername_lookup: 'no',
    smtpd_tls_security_level: 'encrypt',
    smtpd_tls_cert_file: `${options.dir}/cert.pem`,
    smtpd_tls_key_file: `${options.dir}/key.pem`,
    smtpd_tls_received_header: 'yes',
    smtpd_tls_loglevel: '1',
    virtual_mailbox_domains: domains.join(' '),
    virtual_mailbox_maps: `inline:{ ${mailboxes.join(', ')} }`,
    virtual_mailbox_base: `${options.dir}/mail`,
    virtual_uid_maps: `static:${uid}`,
    virtual_gid_maps: `static:${uid}`,
  }
}

async function mailboxUser(): Promise<number> {
  return Number((await promisify(execFile)('id', ['-u', MAILBOX_USER])).stdout)
}
