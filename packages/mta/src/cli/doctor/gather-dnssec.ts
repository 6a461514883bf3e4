/** Would the relay find somebody who validates DNSSEC, if it started now? Tried, with an unbound for the moment. */
import type { NameServer } from '@hermetic/policy'
import type { Config } from '../../config/schema.ts'
import { openDnssecHere } from '../../wiring/dnssec-here.ts'
import type { DnssecSurroundings } from '../../wiring/dnssec-side.ts'
import { openPolicyKeeping } from '../../wiring/policy-keeping.ts'
import type { DnssecFacts } from './facts.ts'

export async function dnssecFacts(
  config: Pick<Config, 'dns' | 'dane' | 'data_dir' | 'queue'>,
  servers: readonly [NameServer, ...NameServer[]],
  surroundings?: DnssecSurroundings,
): Promise<DnssecFacts> {
  const dns = await openDnssecHere(config, { servers, serversNamed: config.dns.servers.length > 0 }, surroundings)
  const state = dns.state()
  await dns.close()
  const keeping = await openPolicyKeeping(config, () => undefined)
  const { remembered } = await keeping.openDnssecMemory()
  keeping.close()
  return { kind: 'decided', state, wouldHold: config.dane.enabled === true || remembered }
}
