/** The world of an explanation: delivery's options, and the lanes that the configuration makes. */
import type { DestinationOptions } from '../delivery/delivery.ts'
import { laneFor } from '../delivery/route.ts'
import { defaultPool } from '../delivery/source-address.ts'
import type { ExplainWorld } from '../explain/world.ts'

export function explainWorld(
  destination: DestinationOptions,
  parts: Pick<ExplainWorld, 'by' | 'policies' | 'limitsOf'>,
): ExplainWorld {
  const { port, routes, sources } = destination
  const routing = { port, routes, pool: defaultPool(sources) }
  return { ...parts, destination, laneFor: (domain) => laneFor({ localPart: 'postmaster', domain }, routing) }
}
