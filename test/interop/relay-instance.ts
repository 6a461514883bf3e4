/**
 * The relay as an operator starts it: `./hermetic start --config FILE` as a child process with a configuration and
 * a data directory of its own, ready when its listener answers. For tests that need the whole program: interop,
 * soak and the durability proof (which wraps the command with strace).
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { greets } from './greeting.ts'

export interface RelayOptions {
  readonly dir: string
  /** Its EHLO name, if a test tells several apart. */
  readonly hostname?: string
  /** TOML below the settings that every test needs. */
  readonly settings: string
  /** The port that shows that it is ready. */
  readonly readyPort: number
  /** Put before the command line. */
  readonly wrap?: readonly string[]
  /** Every line it writes on standard output. */
  readonly onLine?: (line: string) => void
  /** In place of `hermetic start`: a script that takes the same arguments. */
  readonly command?: readonly string[]
}

const ROOT = new URL('../../', import.meta.url).pathname
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 40_000
const READY_POLL_MS = 20
const LOG_BYTES_KEPT = 64 * 1024

export class RelayInstance {
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>
  #output = ''

  private constructor(child: ChildProcess, onLine?: (line: string) => void) {
    this.#child = child
    this.#exited = once(child, 'exit')
    if (onLine !== undefined && child.stdout !== null) createInterface({ input: child.stdout }).on('line', onLine)
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString('utf8')).slice(-LOG_BYTES_KEPT)
      })
    }
  }

  static async start(options: RelayOptions): Promise<RelayInstance> {
    const relay = await RelayInstance.launch(options)
    await relay.untilReady(options.readyPort)
    return relay
  }

  /** Does not wait until it is ready. */
  static async launch(options: RelayOptions): Promise<RelayInstance> {
    const configFile = await writeConfig(options)
    const command = options.command ?? [`${ROOT}hermetic`, 'start']
    const [file = '', ...args] = [...(options.wrap ?? []), ...command, '--config', configFile]
    return new RelayInstance(spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: options.dir }), options.onLine)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** The end of what it wrote on standard output and standard error. */
  get output(): string {
    return this.#output
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  async stop(): Promise<void> {
    if (!this.running) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.#exited
    clearTimeout(timer)
  }

  /** SIGSTOP; SIGCONT. */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async kill(): Promise<void> {
    if (!this.running) return
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  async untilReady(port: number): Promise<void> {
    const until = performance.now() + START_TIMEOUT_MS
    while (performance.now() < until) {
      if (!this.running) throw new Error(`the relay ended: ${this.#output}`)
      if (await greets(port)) return
      await sleep(READY_POLL_MS)
    }
    await this.kill()
    throw new Error(`the relay was not ready in time: ${this.#output}`)
  }
}

/** Runs one verb of the command line against the same configuration. */
export async function hermetic(dir: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await promisify(execFile)(`${ROOT}hermetic`, [...args, '--config', configFileIn(dir)], {
    cwd: dir,
    maxBuffer: 64 * 1024 * 1024,
  })
  return stdout
}

/** Makes a login and answers its secret, which the command shows once. */
export async function addCredential(dir: string, username: string, ...terms: readonly string[]): Promise<string> {
  const [, secret] = /^secret: +(\S+)$/m.exec(await hermetic(dir, 'credential', 'add', username, ...terms)) ?? []
  if (secret === undefined) throw new Error('credential add showed no secret')
  return secret
}

async function writeConfig(options: Pick<RelayOptions, 'dir' | 'settings' | 'hostname'>): Promise<string> {
  await mkdir(options.dir, { recursive: true })
  const { hostname = 'relay.hermetic.test' } = options
  const settings = `hostname = "${hostname}"\ndata_dir = "${options.dir}/data"\n${options.settings}\n`
  await writeFile(configFileIn(options.dir), settings)
  return configFileIn(options.dir)
}

/** A port of loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port')
  return address.port
}

function configFileIn(dir: string): string {
  return `${dir}/hermetic.toml`
}
