/**
 * Debian's mta-sts-daemon (postfix-mta-sts-resolver) as a child, asked over its socketmap. It takes the machine's
 * resolv.conf, port 443 and the authorities of `SSL_CERT_FILE`: run it in a network of its own (`lab/own-network.ts`).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { access, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { SocketmapClient } from './socketmap-client.ts'

export interface MtaStsDaemonOptions {
  readonly dir: string
  /** PEM. */
  readonly authority: string
  /** YAML, below the path of its socket. */
  readonly settings: string
}

const START_TIMEOUT_MS = 20_000
const POLL_MS = 50

export class MtaStsDaemon {
  readonly #child: ChildProcess
  readonly #path: string

  static async start({ dir, authority, settings }: MtaStsDaemonOptions): Promise<MtaStsDaemon> {
    const path = `${dir}/mta-sts.sock`
    await writeFile(`${dir}/mta-sts-daemon.yml`, `path: ${path}\n${settings}`)
    await writeFile(`${dir}/mta-sts-roots.pem`, authority)
    const child = spawn('mta-sts-daemon', ['-c', `${dir}/mta-sts-daemon.yml`, '-l', `${dir}/mta-sts-daemon.log`], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { PATH: process.env['PATH'], SSL_CERT_FILE: `${dir}/mta-sts-roots.pem` },
    })
    const started = await untilThere(path, child)
    if (started) return new MtaStsDaemon(child, path)
    child.kill('SIGKILL')
    throw new Error('mta-sts-daemon did not start')
  }

  /** Use `start`. */
  private constructor(child: ChildProcess, path: string) {
    this.#child = child
    this.#path = path
    process.once('exit', () => child.kill('SIGKILL'))
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  client(): Promise<SocketmapClient> {
    return SocketmapClient.open(this.#path)
  }

  /** Asked nicely it would wait for seconds. */
  kill(): void {
    this.#child.kill('SIGKILL')
  }
}

async function untilThere(path: string, child: ChildProcess): Promise<boolean> {
  let failed = false
  child.once('error', () => {
    failed = true
  })
  for (const end = performance.now() + START_TIMEOUT_MS; performance.now() < end; await sleep(POLL_MS)) {
    if (failed || child.exitCode !== null) return false
    const there = await access(path).then(
      () => true,
      () => false,
    )
    if (there) return true
  }
  return false
}
