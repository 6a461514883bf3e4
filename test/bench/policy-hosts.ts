/**
 * The policy hosts of the bench: one HTTPS server that is as many as it has certificates, told apart by the name in the
 * ClientHello. Its own process, so that its share of the handshakes is not charged to whoever fetches. Counts what it
 * served: a bench whose policies nobody fetched has measured something else.
 *
 * Started by main.ts and policies.ts: `policy-hosts.ts ADDRESS PORT HOSTS_FILE`, where the file is a list of
 * `PolicyHostFile`.
 */
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { createSecureContext, type SecureContext } from 'node:tls'

export interface PolicyHostFile {
  readonly name: string
  readonly key: string
  readonly chain: string
  readonly policy: string
}

/** The answer to any message. */
export interface PoliciesServed {
  readonly kind: 'served'
  readonly served: number
}

const [address = '127.0.0.1', port = '443', hostsFile = ''] = process.argv.slice(2)
const hosts = JSON.parse(readFileSync(hostsFile, 'utf8')) as readonly PolicyHostFile[]
const contexts = new Map<string, SecureContext>()
const policies = new Map(hosts.map(({ name, policy }) => [name, policy]))
for (const { name, key, chain } of hosts) contexts.set(name, createSecureContext({ key, cert: chain }))

let served = 0

const server = createServer(
  { SNICallback: (name, answer) => answer(null, contexts.get(name)), keepAlive: false },
  (request, response) => {
    const policy = policies.get(request.headers.host ?? '')
    if (policy === undefined || request.url !== '/.well-known/mta-sts.txt') response.writeHead(404).end()
    else {
      served += 1
      response.writeHead(200, { 'Content-Type': 'text/plain', 'Content-Length': policy.length }).end(policy)
    }
  },
)
server.listen({ host: address, port: Number(port), backlog: 511 }, () => process.send?.({ kind: 'ready' }))
process.on('message', () => process.send?.({ kind: 'served', served } satisfies PoliciesServed))
process.on('disconnect', () => process.exit(0))
