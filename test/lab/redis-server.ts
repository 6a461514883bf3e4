/**
 * A real redis-server of one test: a unix socket in a folder of its own, append-only file with fsync at every write,
 * gone when the test ends. It can be restarted and killed in between.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface RedisServer extends AsyncDisposable {
  /** Path of its unix socket. */
  readonly socket: string
  readonly directory: string
  readonly pid: () => number
  start(): Promise<void>
  /** Ends it: SIGTERM by default; SIGKILL is a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>
}

export interface RedisServerOptions {
  /** Further lines of redis.conf as command line words, e.g. `['--maxmemory', '20mb']`. */
  readonly settings?: readonly string[]
  /** Words in front of the program, e.g. a tracer that lets the program stay our own child. */
  readonly wrap?: readonly string[]
  /** Nobody stops it: it ends with this process, which does not wait for it. */
  readonly untilExit?: boolean
}

const START_MS_MAX = 10_000

export async function startRedis({
  settings = [],
  wrap = [],
  untilExit = false,
}: RedisServerOptions = {}): Promise<RedisServer> {
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-redis-'))
  const socket = join(directory, 'redis.sock')
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    const words = ['--port', '0', '--unixsocket', socket, '--dir', directory, '--save', '']
    const durable = ['--appendonly', 'yes', '--appendfsync', 'always', '--maxmemory-policy', 'noeviction']
    const [program = '', ...args] = [
      ...wrap,
      'redis-server',
      ...words,
      ...durable,
      '--loglevel',
      'warning',
      ...settings,
    ]
    const one = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'inherit'],
    })
    child = one
    const giveUpAt = Date.now() + START_MS_MAX
    while (!(await answersPing(socket))) {
      assert.ok(one.exitCode === null && Date.now() < giveUpAt, 'redis-server did not start')
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const one = child
    child = undefined
    if (one === undefined || one.exitCode !== null || one.signalCode !== null) return
    one.kill(signal)
    await once(one, 'exit')
  }

  await start()
  if (untilExit) {
    child?.unref()
    endWithThisProcess(() => {
      child?.kill('SIGKILL')
      rmSync(directory, { recursive: true, force: true })
    })
  }
  return {
    socket,
    directory,
    pid: () => {
      assert.ok(child?.pid !== undefined, 'redis-server is not running')
      return child.pid
    },
    start,
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop('SIGKILL')
      await rm(directory, { recursive: true, force: true })
    },
  }
}

const lastActs: (() => void)[] = []

function endWithThisProcess(end: () => void): void {
  if (lastActs.push(end) > 1) return
  process.once('exit', () => {
    for (const act of lastActs) act()
  })
}

/** While it reads its append-only file it answers LOADING. */
function answersPing(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const client = connect(socket)
    client.once('connect', () => client.write('PING\r\n'))
    client.once('data', (bytes) => {
      client.destroy()
      resolve(bytes.toString('latin1').startsWith('+PONG'))
    })
    client.once('error', () => resolve(false))
  })
}
