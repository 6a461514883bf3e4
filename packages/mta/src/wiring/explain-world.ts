/** The world of an explanation: delivery's options, and the lanes that the configuration makes. */
import type { DestinationOptions } from '../delivery/delivery.ts'
import { routingTold } from '../delivery/route-text.ts'
import { laneFor } from '../delivery/routing.ts'
import { defaultPool } from '../delivery/source-address.ts'
import type { ExplainWorld } from '../explain/world.ts'

export function explainWorld(
  destination: DestinationOptions,
  parts: Pick<ExplainWorld, 'by' | 'policies' | 'limitsOf'>,
): ExplainWorld {
  const { port, routes, sources } = destination
  const routing = { port, routes, pool: defaultPool(sources) }
  return {
    ...{ ...parts, destination },
    laneFor: (mail) => laneFor(mail, routing),
    routingOf: (mail) => routingTold(mail, routing),
  }
}
