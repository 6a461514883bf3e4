/**
 * A client of a socketmap server as Postfix is one (socketmap_table(5)): requests and replies are netstrings, one
 * after the other on one connection.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export class SocketmapClient {
  readonly #socket: Socket
  readonly #waiting: { resolve(reply: string): void; reject(error: Error): void }[] = []
  #received = Buffer.alloc(0)

  static async open(path: string): Promise<SocketmapClient> {
    const socket = connect({ path })
    await once(socket, 'connect')
    return new SocketmapClient(socket)
  }

  /** Use `open`. */
  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('error', () => undefined)
    socket.once('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the socketmap server hung up'))
    })
  }

  /** The reply, which begins with one of the words `OK`, `NOTFOUND`, `TEMP`, `TIMEOUT` and `PERM`. */
  ask(map: string, key: string): Promise<string> {
    const request = Buffer.from(`${map} ${key}`)
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#socket.write(Buffer.concat([Buffer.from(`${request.length}:`), request, Buffer.from(',')]))
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    for (;;) {
      const colon = this.#received.indexOf(':')
      const length = Number(this.#received.subarray(0, Math.max(colon, 0)).toString('latin1'))
      const end = colon + 1 + length
      if (colon < 0 || this.#received.length <= end) return
      this.#waiting.shift()?.resolve(this.#received.subarray(colon + 1, end).toString('utf8'))
      this.#received = this.#received.subarray(end + 1)
    }
  }
}
