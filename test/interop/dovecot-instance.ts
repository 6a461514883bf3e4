/**
 * A private Dovecot as a smarthost (submission proxy) under one folder: passwords from a file, access tokens by asking
 * the test's own server about each (RFC 7662), mail handed on to a host of the test. In the foreground, and ended by its
 * own signal; /etc/dovecot is never read. Needs root, for its processes change user.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { greets } from './greeting.ts'

export interface DovecotOptions {
  /** Every directory above it must be searchable by all. */
  readonly dir: string
  readonly name: string
  readonly port: number
  readonly certificate: { readonly key: string; readonly chain: string }
  readonly passwords: Readonly<Record<string, string>>
  /** Where tokens are asked about. */
  readonly introspectionUrl: string
  /** Who takes the mail. */
  readonly relayPort: number
}

const START_TIMEOUT_MS = 15_000
const STOP_TIMEOUT_MS = 10_000

export class DovecotInstance {
  readonly #child: ChildProcess
  readonly #log: string

  private constructor(child: ChildProcess, log: string) {
    this.#child = child
    this.#log = log
  }

  static async start(options: DovecotOptions): Promise<DovecotInstance> {
    await layOut(options)
    const child = spawn('dovecot', ['-F', '-c', `${options.dir}/dovecot.conf`], { stdio: 'ignore' })
    const instance = new DovecotInstance(child, `${options.dir}/log`)
    const until = performance.now() + START_TIMEOUT_MS
    while (!(await greets(options.port))) {
      if (child.exitCode !== null || performance.now() > until) {
        await instance.stop()
        throw new Error(`dovecot did not start: ${await instance.log()}`)
      }
      await sleep(50)
    }
    return instance
  }

  log(): Promise<string> {
    return readFile(this.#log, 'utf8').catch(() => '')
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const gone = once(this.#child, 'exit')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await gone
    clearTimeout(timer)
  }
}

async function layOut({ dir, certificate, passwords, ...options }: DovecotOptions): Promise<void> {
  for (const name of ['run', 'state']) await mkdir(`${dir}/${name}`, { recursive: true })
  await writeFile(`${dir}/key.pem`, certificate.key, { mode: 0o600 })
  await writeFile(`${dir}/cert.pem`, certificate.chain)
  const users = Object.entries(passwords).map(([name, password]) => `${name}:{PLAIN}${password}\n`)
  await writeFile(`${dir}/users`, users.join(''))
  await writeFile(`${dir}/tokens.conf`, tokenSettings(options.introspectionUrl))
  await writeFile(`${dir}/dovecot.conf`, settings({ dir, ...options }))
}

/** The account is who the token is for, and the one that the client named. */
function tokenSettings(url: string): string {
  return `introspection_mode = post
introspection_url = ${url}
username_attribute = username
active_attribute = active
active_value = true
`
}

function settings({ dir, name, port, relayPort }: Omit<DovecotOptions, 'certificate' | 'passwords'>): string {
  return `protocols = submission
base_dir = ${dir}/run
state_dir = ${dir}/state
log_path = ${dir}/log
auth_verbose = yes
listen = 127.0.0.1
hostname = ${name}
ssl = required
ssl_cert = <${dir}/cert.pem
ssl_key = <${dir}/key.pem
auth_mechanisms = plain login oauthbearer xoauth2
auth_failure_delay = 0 secs
mail_location = mbox:${dir}/mail:INDEX=MEMORY
submission_relay_host = 127.0.0.1
submission_relay_port = ${relayPort}
submission_relay_trusted = no
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${dir}/tokens.conf
}
passdb {
  driver = passwd-file
  mechanisms = plain login
  args = ${dir}/users
}
userdb {
  driver = static
  args = uid=nobody gid=nogroup home=${dir}/home
}
service submission-login {
  inet_listener submission {
    port = ${port}
  }
}
# Else each address that failed waits longer and longer: here all are one.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`
}
