/**
 * What a first contact costs a message: a whole relay, mail to domains that it has never heard of, with a policy and
 * without one in turn, one message at a time; from its 250 to the end of the message at the mail exchanger. Each domain
 * has a mail exchanger of its own address, so that each needs a connection; then the same domains again.
 */

import { freePort, RelayInstance } from '../interop/relay-instance.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { LoadSession } from './load-session.ts'
import { type BenchDomain, mxCertificate, type PoliciesWorld } from './policies-world.ts'
import { percentile } from './statistics.ts'

export interface FirstMessages {
  readonly what: string
  readonly times: number
  readonly p50Ms: number
  readonly p90Ms: number
}

const HEAD = 'From: <app@origin.test>\r\nSubject: first\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n'
const BODY = Buffer.from('Hello.\r\n.\r\n')
const MX_PORT = 25
/** The first messages of a process pay for its code, not for the network. */
const WARM_UP = 5

export async function firstMessages(world: PoliciesWorld): Promise<readonly FirstMessages[]> {
  await using mx = await ScriptedMx.start({
    ...{ address: '0.0.0.0', port: MX_PORT, tls: await mxCertificate(world.authority) },
  })
  const port = await freePort()
  const relay = await RelayInstance.start({
    dir: `${world.dir}/relay`,
    settings: settings(world, port),
    readyPort: port,
  })
  try {
    const session = await LoadSession.open({ host: '127.0.0.1', port, pipelining: false })
    const send = async ({ name }: BenchDomain): Promise<number> => {
      const before = mx.messages.length
      await session.submit({ reversePath: 'app@origin.test', forwardPaths: [`bob@${name}`], head: HEAD, body: BODY })
      const acceptedAt = performance.now()
      await mx.received(before + 1)
      return performance.now() - acceptedAt
    }
    const pairs = world.withoutPolicy.map((plain, index) => [world.fetched[index], plain] as const)
    const first = await timesOf(pairs, send)
    const again = await timesOf(pairs, send)
    return [
      summary('first message, no policy', first.plain),
      summary('first message, policy to be fetched', first.enforced),
      summary('second message, no policy', again.plain),
      summary('second message, policy known', again.enforced),
    ]
  } finally {
    await relay.stop()
  }
}

async function timesOf(
  pairs: readonly (readonly [BenchDomain | undefined, BenchDomain])[],
  send: (domain: BenchDomain) => Promise<number>,
): Promise<{ readonly enforced: readonly number[]; readonly plain: readonly number[] }> {
  const enforced: number[] = []
  const plain: number[] = []
  for (const [withPolicy, without] of pairs) {
    if (withPolicy !== undefined) enforced.push(await send(withPolicy))
    plain.push(await send(without))
  }
  return { enforced: enforced.slice(WARM_UP), plain: plain.slice(WARM_UP) }
}

function summary(what: string, times: readonly number[]): FirstMessages {
  return { what, times: times.length, p50Ms: percentile(times, 0.5), p90Ms: percentile(times, 0.9) }
}

function settings({ dir }: PoliciesWorld, port: number): string {
  return `
postmaster = "postmaster@origin.test"
[[listener]]
kind = "relay"
address = "127.0.0.1"
port = ${port}
tls = "none"
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1"]
trust = "none"
[trust]
ca_file = "${dir}/roots.pem"
[egress]
smtp_networks = ["127.0.0.0/8"]
https_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`
}
