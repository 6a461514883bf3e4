/**
 * What every soak has around its relays: the zone of its domains, and the count of what waits, as an operator asks it.
 */
import { hermetic } from '../interop/relay-instance.ts'
import { zone } from '../lab/dns-server.ts'
import { DOMAINS } from './message-plan.ts'

export interface QueueState {
  readonly messages: number
  readonly quarantined: number
}

/** By `hermetic queue summary` on the relay whose directory this is. */
export async function queueState(dir: string): Promise<QueueState> {
  const summary: unknown = JSON.parse(await hermetic(dir, 'queue', 'summary', '--json'))
  if (typeof summary !== 'object' || summary === null) throw new Error('queue summary is no object')
  const counts = new Map<string, unknown>(Object.entries(summary))
  return { messages: Number(counts.get('messages')), quarantined: Number(counts.get('quarantined')) }
}

/** All domains, the sender's too, have one host on loopback. */
export function soakZone() {
  const names = [...DOMAINS, 'origin.soak.test']
  const records = names.map((name) => [name, { MX: [[10, 'mx.soak.test']] as const }] as const)
  return zone({ ...Object.fromEntries(records), 'mx.soak.test': { A: ['127.0.0.1'] } })
}
