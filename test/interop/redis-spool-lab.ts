/**
 * Spools on a real redis-server by the real clock, each as a process of its own would open it, and a wire between
 * them and the server on which an answer or a question can get lost.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { DurabilityVerdict } from '../../packages/mta/src/spool/adapters/redis-durability.ts'
import { openRedisSpool, type RedisSpoolOptions } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import type { SpoolEvent } from '../../packages/mta/src/spool/events.ts'
import { message as fixtureMessage } from '../../packages/mta/src/spool/spool.fixture.ts'
import type { NewMessage } from '../../packages/mta/src/spool/spool.ts'
import type { StoredSpool } from '../../packages/mta/src/spool/stored-spool.ts'
import { type RedisServer, startRedis } from '../lab/redis-server.ts'

export interface OpenedSpool {
  readonly spool: StoredSpool
  readonly events: SpoolEvent[]
  readonly verdicts: DurabilityVerdict[]
  readonly dataDir: string
}

export class RedisSpoolLab {
  readonly redis: RedisServer
  readonly directory = mkdtempSync(join(tmpdir(), 'redis-spool-'))
  readonly #opened: StoredSpool[] = []
  #nodes = 0

  private constructor(redis: RedisServer) {
    this.redis = redis
  }

  static async start(t: TestContext, settings: readonly string[] = []): Promise<RedisSpoolLab> {
    const lab = new RedisSpoolLab(await startRedis({ settings }))
    t.after(async () => {
      await Promise.all(lab.#opened.map((spool) => spool.close()))
      await lab.redis[Symbol.asyncDispose]()
      rmSync(lab.directory, { recursive: true, force: true })
    })
    return lab
  }

  /** What a node of the queue opens its spool with. */
  options(more: Partial<RedisSpoolOptions> = {}): RedisSpoolOptions {
    this.#nodes += 1
    return {
      address: { url: this.redis.socket },
      queue: 'test',
      durability: 'strict',
      dataDir: join(this.directory, `node-${this.#nodes}`),
      contentDir: join(this.directory, 'content'),
      maxBytes: 64 * 1024 * 1024,
      emit: () => undefined,
      hooks: { probeIntervalMs: 20 },
      ...more,
    }
  }

  async open(more: Partial<RedisSpoolOptions> = {}): Promise<OpenedSpool> {
    const events: SpoolEvent[] = []
    const verdicts: DurabilityVerdict[] = []
    const options = this.options({
      emit: (event) => events.push(event),
      onDurability: (verdict) => verdicts.push(verdict),
      ...more,
    })
    const opened = await openRedisSpool(options)
    assert.ok(opened.ok, JSON.stringify(opened))
    this.#opened.push(opened.value)
    return { spool: opened.value, events, verdicts, dataDir: options.dataDir }
  }

  /** What an operator types; answers the reply as Redis writes it. */
  async command(...words: readonly string[]): Promise<string> {
    const socket = connect(this.redis.socket)
    try {
      const bulk = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')
      socket.write(`*${words.length}\r\n${bulk}`)
      let text = ''
      for await (const chunk of socket) {
        text += String(chunk)
        if (isComplete(text)) break
      }
      return text
    } finally {
      socket.destroy()
    }
  }
}

/** A simple reply, or one bulk string with all its bytes. */
function isComplete(text: string): boolean {
  const [, length] = /^\$(\d+)\r\n/.exec(text) ?? []
  if (length === undefined) return text.endsWith('\r\n')
  return Buffer.byteLength(text) >= `$${length}\r\n`.length + Number(length) + 2
}

/** A message that arrives now, by the real clock. */
export function messageNow(lanes: readonly number[] = [1], more: Partial<NewMessage> = {}): NewMessage {
  const now = Date.now()
  return fixtureMessage(lanes, { receivedAt: now, expiresAt: now + 432_000_000, ...more })
}

/** Between a spool and the server; passes everything on until it is told to lose something. */
export class Wire {
  readonly path: string
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  #lose: { readonly text: string; readonly what: 'question' | 'answer' } | undefined

  #hold: { readonly text: string; readonly gone: () => Promise<void> } | undefined

  private constructor(path: string, target: string) {
    this.path = path
    this.#server = createServer((client) => this.#carry(client, connect(target)))
  }

  static async between(t: TestContext, lab: RedisSpoolLab): Promise<Wire> {
    const wire = new Wire(join(lab.directory, 'wire.sock'), lab.redis.socket)
    await new Promise<void>((resolve) => wire.#server.listen(wire.path, resolve))
    t.after(() => {
      for (const socket of wire.#sockets) socket.destroy()
      wire.#server.close()
    })
    return wire
  }

  /** Breaks the connection once: before the question with this text arrives, or before its answer comes back. */
  lose(what: 'question' | 'answer', text: string): void {
    this.#lose = { what, text }
  }

  /** Keeps the next question with this text, and what follows it, until it is let go. */
  hold(text: string): { readonly isHeld: () => boolean; letGo(): void } {
    let go: () => void = () => undefined
    let isHeld = false
    const gone = new Promise<void>((resolve) => {
      go = resolve
    })
    this.#hold = {
      text,
      gone: () => {
        isHeld = true
        return gone
      },
    }
    return { isHeld: () => isHeld, letGo: go }
  }

  get isArmed(): boolean {
    return this.#lose !== undefined
  }

  #carry(client: Socket, server: Socket): void {
    let doomed = false
    for (const socket of [client, server]) {
      this.#sockets.add(socket)
      socket.on('error', () => undefined)
      socket.on('close', () => {
        this.#sockets.delete(socket)
        client.destroy()
        server.destroy()
      })
    }
    client.on('data', (chunk) => {
      const lose = this.#lose
      if (lose !== undefined && chunk.includes(lose.text)) {
        this.#lose = undefined
        if (lose.what === 'question') return client.destroy()
        doomed = true
      }
      const hold = this.#hold
      if (hold !== undefined && chunk.includes(hold.text)) {
        this.#hold = undefined
        client.pause()
        void hold.gone().then(() => {
          server.write(chunk)
          client.resume()
        })
        return
      }
      server.write(chunk)
    })
    server.on('data', (chunk) => {
      if (doomed) client.destroy()
      else client.write(chunk)
    })
  }
}
