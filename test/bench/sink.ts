/**
 * The sink process of the bench: a fast STARTTLS SMTP server that counts messages by serial and can hold back
 * each reply. Its own process (and network namespace), so that its work is not charged to the system under test.
 *
 * Started by main.ts: `sink.ts ADDRESS PORT CERT_FILE KEY_FILE`, then driven over IPC.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { createSecureContext } from 'node:tls'
import { Arrivals } from './arrivals.ts'
import { monotonicMs, type SinkMessageUp, type SinkOrder } from './messages.ts'
import { serialOf } from './serial.ts'
import { SinkSession } from './sink-session.ts'

const HEAD_BYTES = 8 * 1024
const ACCEPTED = { kind: 'reply', line: '250 2.0.0 queued' } as const
const RCPT_OK = { kind: 'reply', line: '250 2.1.5 ok' } as const

const [address = '127.0.0.1', port = '25', certFile = '', keyFile = ''] = process.argv.slice(2)
const secureContext = createSecureContext({ cert: readFileSync(certFile), key: readFileSync(keyFile) })

let arrivals = new Arrivals('', 0)
let replyDelayMs = 0
let told = true

const server = createServer((socket) => {
  new SinkSession(socket, {
    hostname: 'mx.bench.test',
    secureContext,
    replyDelayMs,
    headBytes: HEAD_BYTES,
    script: {
      rcpt: () => RCPT_OK,
      dropsAtData: () => false,
      finalDot: (message) => {
        arrivals.add(serialOf(message.head) ?? '', { at: monotonicMs(), tlsProtocol: message.tlsProtocol })
        if (arrivals.complete && !told) {
          told = true
          tell({ kind: 'complete' })
        }
        return ACCEPTED
      },
    },
  })
})

function tell(message: SinkMessageUp): void {
  process.send?.(message)
}

process.on('message', (order: SinkOrder) => {
  if (order.kind === 'report') {
    tell({ kind: 'arrivals', arrivals: arrivals.report() })
    return
  }
  arrivals = new Arrivals(order.trial, order.expected)
  replyDelayMs = order.replyDelayMs
  told = false
  tell({ kind: 'expecting' })
})
process.on('disconnect', () => process.exit(0))

server.listen({ host: address, port: Number(port), backlog: 511 }, () => tell({ kind: 'ready' }))
