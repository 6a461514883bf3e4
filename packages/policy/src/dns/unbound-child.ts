/**
 * The life of one `unbound`: started on a free port of loopback, known to be ours, ended with us.
 *
 * That it is ours is proven by a record which only its configuration has, so that a program which takes the port
 * first cannot speak for it. It must not outlive us either, even when we are killed: a shell in its process group
 * waits for the end of a pipe that only we hold, and then kills the group.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { rename, writeFile } from 'node:fs/promises'
import net from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseOwnerName } from '../domain-name.ts'
import { err, invariant, ok, type Result } from '../result.ts'
import { LastWords } from './last-words.ts'
import { askServers } from './server-query.ts'
import type { NameServer } from './transport.ts'
import { CONFIG_FILE, type UnboundIdentity, unboundConfig } from './unbound-config.ts'
import type { UnboundEnd, UnboundProblem } from './unbound-problem.ts'
import type { UnboundProgram } from './unbound-program.ts'

export interface UnboundChildOptions {
  readonly program: UnboundProgram
  /** Ours alone; the anchor file is there. */
  readonly directory: string
  readonly forwarders: readonly NameServer[]
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
  readonly signal: AbortSignal
}

export interface UnboundChild {
  readonly server: NameServer
  readonly pid: number
  readonly ended: Promise<UnboundEnd>
  /** False from the moment its end is known. */
  readonly alive: boolean
  stop(): Promise<void>
}

const LOOPBACK = '127.0.0.1'
const START_TIMEOUT_MS = 5_000
const STOP_TIMEOUT_MS = 2_000
const POLL_MS = 20
const QUERY_TIMEOUT_MS = 250
const FILE_MODE = 0o600
const SHELL = '/bin/sh'
/** `read` ends when the pipe does; the group of the shell is unbound and itself, so no foreign process can be hit. */
const GUARDED_START = `exec 3<&0 </dev/null
(read -r _ <&3; kill -KILL 0) >/dev/null 2>&1 &
exec 3<&-
exec "$0" -d -c "$1"`

export async function startUnboundChild(options: UnboundChildOptions): Promise<Result<UnboundChild, UnboundProblem>> {
  const { directory, program, forwarders } = options
  const port = await freePort()
  const identity = newIdentity()
  const text = unboundConfig({ port, forwarders, version: program.version, identity })
  const written = await writeConfig(directory, text)
  if (!written.ok) return written
  const child = spawn(SHELL, ['-c', GUARDED_START, program.path, CONFIG_FILE], {
    cwd: directory,
    // Its own process group, which signals of our terminal do not reach.
    detached: true,
    stdio: ['pipe', 'ignore', 'pipe'],
    // Ours holds secrets.
    env: { LC_ALL: 'C' },
  })
  const life = new ChildLife(child, { address: LOOPBACK, port })
  const failure = await life.untilOurs(identity, options)
  if (failure === undefined) return ok(life)
  await life.stop()
  return err(failure)
}

class ChildLife implements UnboundChild {
  readonly server: NameServer
  readonly ended: Promise<UnboundEnd>
  readonly #child: ChildProcess
  readonly #lastWords = new LastWords()
  #alive = true
  #spawnError: string | undefined

  constructor(child: ChildProcess, server: NameServer) {
    this.server = server
    this.#child = child
    child.stdin?.on('error', () => undefined)
    child.stderr?.on('data', (chunk: Buffer) => this.#lastWords.add(chunk))
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: string | null): void => {
        this.#alive = false
        // Ends the shell that waits beside it.
        child.stdin?.destroy()
        // What it wrote last may still be in the pipe.
        setImmediate(() => resolve({ code, signal, lastWords: this.#lastWords.text }))
      }
      child.once('exit', end)
      child.on('error', (error: NodeJS.ErrnoException) => {
        if (child.pid !== undefined) return
        this.#spawnError = error.code ?? error.name
        end(null, null)
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  get alive(): boolean {
    return this.#alive
  }

  /** Undefined once it answers with its own record. */
  async untilOurs(identity: UnboundIdentity, options: UnboundChildOptions): Promise<UnboundProblem | undefined> {
    const until = options.now() + START_TIMEOUT_MS
    while (options.now() < until && !options.signal.aborted) {
      if (await answersAs(identity, this.server, options)) return undefined
      if (!this.#alive) {
        const end = await this.ended
        if (this.#spawnError !== undefined) return { kind: 'cannot-run', program: SHELL, code: this.#spawnError }
        return { kind: 'ended', ...end }
      }
      await sleep(POLL_MS)
    }
    return { kind: 'silent', lastWords: this.#lastWords.text }
  }

  async stop(): Promise<void> {
    if (!this.#alive) return
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await this.ended
    clearTimeout(timer)
  }
}

async function answersAs(
  { owner, text }: UnboundIdentity,
  server: NameServer,
  { now, random, signal }: UnboundChildOptions,
): Promise<boolean> {
  const name = parseOwnerName(owner)
  invariant(name.ok, 'the name of the identity record is ours')
  const limits = { timeoutMs: QUERY_TIMEOUT_MS, attempts: 1, deadlineMs: QUERY_TIMEOUT_MS }
  const options = { ...limits, servers: [server], now, random, signal, emit: () => undefined }
  const answer = await askServers({ name: name.value, type: 'TXT' }, options)
  return answer.ok && answer.value.answers.some((record) => record.type === 'TXT' && textOf(record.data) === text)
}

function textOf(strings: string | Buffer | readonly (string | Buffer)[]): string {
  return (Array.isArray(strings) ? strings : [strings]).map(String).join('')
}

function newIdentity(): UnboundIdentity {
  const secret = () => randomBytes(16).toString('hex')
  // RFC 6761 §6.4: nobody else can have a name there.
  return { owner: `${secret()}.invalid`, text: secret() }
}

async function writeConfig(directory: string, text: string): Promise<Result<undefined, UnboundProblem>> {
  const path = join(directory, CONFIG_FILE)
  try {
    // A new file: one that somebody left there may be open to others, or be a link.
    await writeFile(`${path}.new`, text, { mode: FILE_MODE })
    await rename(`${path}.new`, path)
    return ok(undefined)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'UNKNOWN'
    return err({ kind: 'directory', path, code })
  }
}

/** Free for UDP and TCP a moment ago; when somebody is quicker, unbound ends and is started on another one. */
async function freePort(): Promise<number> {
  for (;;) {
    const udp = dgram.createSocket('udp4')
    udp.bind(0, LOOPBACK)
    await once(udp, 'listening')
    const { port } = udp.address()
    const tcp = net.createServer()
    const free = await new Promise<boolean>((resolve) => {
      tcp.once('error', () => resolve(false))
      tcp.listen(port, LOOPBACK, () => resolve(true))
    })
    if (free) await new Promise((resolve) => tcp.close(resolve))
    await new Promise<void>((resolve) => udp.close(resolve))
    if (free) return port
  }
}
