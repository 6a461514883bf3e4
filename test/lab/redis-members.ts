/**
 * Real redis-server processes on loopback ports, with what each needs to find the others: for replicas, Sentinels and
 * Clusters, which speak by TCP only. Each can be killed, frozen and started again.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'

export interface RedisMember {
  readonly port: number
  readonly name: string
  start(): Promise<void>
  /** SIGKILL by default: a crash. */
  stop(signal?: NodeJS.Signals): Promise<void>
  freeze(): void
  thaw(): void
  /** What an operator types: the reply as redis-server writes it. */
  command(...words: readonly string[]): Promise<string>
}

export interface RedisMemberOptions {
  readonly name: string
  readonly port: number
  /** Lines of its configuration, besides its port and directory. */
  readonly lines: readonly string[]
  readonly isSentinel?: boolean
  readonly password?: string
}

const START_MS_MAX = 10_000
const ANSWER_MS_MAX = 3_000

export async function redisMember(
  directory: string,
  { name, port, lines, isSentinel = false, password }: RedisMemberOptions,
): Promise<RedisMember> {
  const own = join(directory, name)
  await mkdir(own, { recursive: true })
  const file = join(own, 'redis.conf')
  const all = [`port ${port}`, 'bind 127.0.0.1', `dir "${own}"`, 'loglevel warning', `logfile "${own}/log"`, ...lines]
  await writeFile(file, `${all.join('\n')}\n`)
  let child: ChildProcess | undefined
  const member: RedisMember = {
    port,
    name,
    start: async () => {
      const one = spawn('redis-server', [file, ...(isSentinel ? ['--sentinel'] : [])], { stdio: 'ignore' })
      child = one
      const giveUpAt = Date.now() + START_MS_MAX
      while (!(await member.command('PING').catch(() => '')).startsWith('+PONG')) {
        assert.ok(one.exitCode === null && Date.now() < giveUpAt, `${name} did not start (${file})`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    stop: async (signal = 'SIGKILL') => {
      const one = child
      child = undefined
      if (one === undefined || one.exitCode !== null || one.signalCode !== null) return
      one.kill('SIGCONT')
      one.kill(signal)
      await once(one, 'exit')
    },
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    command: (...words) => ask(port, password === undefined ? [words] : [['AUTH', password], words]),
  }
  await member.start()
  return member
}

/** The answer to the last of these. */
function ask(port: number, commands: readonly (readonly string[])[]): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve, reject) => {
    let left = commands.length
    let text = ''
    const timer = setTimeout(() => socket.destroy(new Error('no answer')), ANSWER_MS_MAX)
    socket.on('connect', () => {
      for (const words of commands) {
        socket.write(
          `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`,
        )
      }
    })
    socket.on('data', (bytes) => {
      text += bytes.toString('latin1')
      if (left > 1 && text.startsWith('+OK\r\n')) {
        left = 1
        text = text.slice(5)
      }
      if (isWhole(text)) {
        resolve(text)
        socket.destroy()
      }
    })
    socket.on('error', reject)
    socket.on('close', () => {
      clearTimeout(timer)
      reject(new Error('closed'))
    })
  })
}

/** A simple reply, a bulk string with all its bytes, or a list, whose answers come at once here. */
function isWhole(text: string): boolean {
  const [, length] = /^\$(\d+)\r\n/.exec(text) ?? []
  if (length === undefined) return text.endsWith('\r\n')
  return text.length >= `$${length}\r\n`.length + Number(length) + 2
}

/** Ports that are free now, also ten thousand higher where a Cluster has its bus. */
export async function freePorts(count: number, { withBus = false } = {}): Promise<readonly number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = await freePort(0)
    if (ports.includes(port)) continue
    if (withBus && (port > 55_000 || (await freePort(port + 10_000).catch(() => 0)) === 0)) continue
    ports.push(port)
  }
  return ports
}

async function freePort(wanted: number): Promise<number> {
  const server = createServer()
  server.listen(wanted, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  server.close()
  await once(server, 'close')
  return port
}
