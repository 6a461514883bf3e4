/**
 * Stands between relays and a real redis-server 7.0 and makes it look like a newer one with a replica: INFO says so, and
 * what WAITAOF answers is written by the test. Only texts of the same length are exchanged, and the question for a
 * script that gives the answer, so that the server itself keeps the order of all replies.
 *
 * What a real WAITAOF does is not shown by this.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export type WaitaofAnswer = readonly [local: number, replicas: number] | 'error' | 'connection-lost'

export interface WaitaofProxy extends AsyncDisposable {
  /** Path of its unix socket. */
  readonly socket: string
  answer: WaitaofAnswer
  /** How often it was asked. */
  readonly asked: number
  /** Whether INFO tells of a replica. */
  hasReplica: boolean
}

const QUESTION = Buffer.from('*4\r\n$7\r\nWAITAOF\r\n$1\r\n1\r\n$1\r\n1\r\n$4\r\n2000\r\n')

export async function waitaofProxy(target: string, socket: string): Promise<WaitaofProxy> {
  const sockets = new Set<Socket>()
  let asked = 0
  const proxy: WaitaofProxy = {
    socket,
    answer: [1, 1],
    hasReplica: true,
    get asked() {
      return asked
    },
    [Symbol.asyncDispose]: async () => {
      for (const one of sockets) one.destroy()
      server.close()
    },
  }
  const server = createServer((client) => {
    const redis = connect(target)
    for (const [one, other] of [
      [client, redis],
      [redis, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined)
      one.on('close', () => {
        sockets.delete(one)
        other.destroy()
      })
    }
    client.on('data', (bytes: Buffer) => {
      let rest = bytes
      for (let at = rest.indexOf(QUESTION); at >= 0; at = rest.indexOf(QUESTION)) {
        asked += 1
        redis.write(rest.subarray(0, at))
        if (proxy.answer === 'connection-lost') return client.destroy()
        redis.write(scriptFor(proxy.answer))
        rest = rest.subarray(at + QUESTION.length)
      }
      redis.write(rest)
    })
    redis.on('data', (bytes: Buffer) => client.write(bytes.includes('redis_version:') ? newer(bytes, proxy) : bytes))
  })
  server.listen(socket)
  await once(server, 'listening')
  return proxy
}

function newer(bytes: Buffer, { hasReplica }: WaitaofProxy): Buffer {
  const text = bytes.toString('latin1').replace('redis_version:7.0.', 'redis_version:7.2.')
  return Buffer.from(hasReplica ? text.replace('connected_slaves:0', 'connected_slaves:1') : text, 'latin1')
}

function scriptFor(answer: Exclude<WaitaofAnswer, 'connection-lost'>): string {
  const script = answer === 'error' ? "return redis.error_reply('ERR no WAITAOF now')" : `return {${answer.join(',')}}`
  return `*3\r\n$4\r\nEVAL\r\n$${script.length}\r\n${script}\r\n$1\r\n0\r\n`
}
