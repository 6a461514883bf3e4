/**
 * The Internet of the fairness measurement, all of 127/8 on one port: hosts that take mail, a tar pit that answers each
 * command after a long while, and hosts that take connections and never say a word.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** Which host listens on an address is in its second octet. */
const NETWORKS = { healthy: 201, tarPit: 202, silent: 203 } as const
export type Manner = keyof typeof NETWORKS

/** Of the host with this number; every one has an address of its own. */
export function addressOf(manner: Manner, number: number): string {
  return `127.${NETWORKS[manner]}.${Math.floor(number / 250)}.${1 + (number % 250)}`
}

export class Receivers implements AsyncDisposable {
  readonly port: number
  /** Messages that healthy hosts have taken. */
  taken = 0
  /** Connections to silent hosts and the tar pit now, and the most there were. */
  readonly stuck = { open: 0, most: 0 }
  readonly #server: Server
  readonly #sockets = new Set<Socket>()

  static async open(tarMs: number): Promise<Receivers> {
    const server = createServer({ noDelay: true })
    server.listen(0, '0.0.0.0')
    await once(server, 'listening')
    return new Receivers(server, tarMs)
  }

  /** Use `open`. */
  private constructor(server: Server, tarMs: number) {
    this.#server = server
    const place = server.address()
    if (place === null || typeof place === 'string') throw new Error('no port')
    this.port = place.port
    server.on('connection', (socket) => this.#connected(socket, tarMs))
  }

  #connected(socket: Socket, tarMs: number): void {
    this.#sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => this.#sockets.delete(socket))
    const manner = mannerOf(socket)
    if (manner !== 'healthy') this.#count(socket)
    if (manner === 'silent') socket.resume()
    else void this.#serve(socket, manner === 'tarPit' ? tarMs : 0).catch(() => socket.destroy())
  }

  #count(socket: Socket): void {
    this.stuck.open += 1
    this.stuck.most = Math.max(this.stuck.most, this.stuck.open)
    socket.on('close', () => {
      this.stuck.open -= 1
    })
  }

  async #serve(socket: Socket, delayMs: number): Promise<void> {
    const say = async (text: string): Promise<void> => {
      if (delayMs > 0) await sleep(delayMs, undefined, { ref: false })
      socket.write(`${text}\r\n`)
    }
    await say('220 host.test ESMTP')
    let inContent = false
    let rest = ''
    for await (const chunk of socket) {
      const lines = (rest + String(chunk)).split('\r\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (inContent) {
          if (line !== '.') continue
          inContent = false
          if (delayMs === 0) this.taken += 1
          await say('250 2.0.0 taken')
        } else {
          inContent = line === 'DATA'
          await say(ANSWERS[line.slice(0, 4).toUpperCase()] ?? '250 2.0.0 ok')
          if (line === 'QUIT') socket.end()
        }
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}

const ANSWERS: Readonly<Record<string, string>> = {
  EHLO: '250-host.test\r\n250 PIPELINING',
  DATA: '354 go on',
  QUIT: '221 2.0.0 bye',
}

function mannerOf({ localAddress = '' }: Socket): Manner {
  const network = Number(localAddress.split('.')[1])
  if (network === NETWORKS.tarPit) return 'tarPit'
  return network === NETWORKS.silent ? 'silent' : 'healthy'
}
