/**
 * Stands between a client and a redis-server: swallows the next answer and breaks the connection, so that the client
 * cannot know whether its command was done; or falls silent, so that it knows nothing at all.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface RedisProxy extends AsyncDisposable {
  /** Path of its unix socket. */
  readonly socket: string
  /** The answer to the next command that contains this text is lost, and with it the connection. */
  loseAnswerTo(text: string): void
  /** How many answers were lost. */
  readonly lost: number
  /** The connections that are open now pass nothing more; new ones do. */
  fallSilent(): void
}

interface Pair {
  readonly client: Socket
  readonly server: Socket
  silent: boolean
  losing: boolean
}

export async function redisProxy(target: string, socket: string): Promise<RedisProxy> {
  const pairs = new Set<Pair>()
  let loseAfter: string | undefined
  let lost = 0

  function pass(pair: Pair): void {
    const { client, server } = pair
    client.on('data', (bytes) => {
      if (loseAfter !== undefined && bytes.includes(loseAfter)) {
        loseAfter = undefined
        pair.losing = true
      }
      if (!pair.silent) server.write(bytes)
    })
    server.on('data', (bytes) => {
      if (pair.losing) {
        lost += 1
        client.destroy()
        server.destroy()
      } else if (!pair.silent) client.write(bytes)
    })
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      one.on('error', () => {})
      one.on('close', () => {
        pairs.delete(pair)
        other.destroy()
      })
    }
  }

  const proxy = createServer((client) => {
    const pair: Pair = { client, server: connect(target), silent: false, losing: false }
    pairs.add(pair)
    pass(pair)
  })
  proxy.listen(socket)
  await once(proxy, 'listening')
  return {
    socket,
    loseAnswerTo: (text) => {
      loseAfter = text
    },
    get lost() {
      return lost
    },
    fallSilent: () => {
      for (const pair of pairs) pair.silent = true
    },
    [Symbol.asyncDispose]: async () => {
      for (const { client, server } of pairs) {
        client.destroy()
        server.destroy()
      }
      proxy.close()
    },
  }
}
