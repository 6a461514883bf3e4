/** The world of an explanation: delivery's options, and the lanes that the configuration makes. */
import type { DestinationOptions } from '../delivery/delivery.ts'
import { routingTold } from '../delivery/route-text.ts'
import { laneFor, type RoutingOptions } from '../delivery/routing.ts'
import { defaultPool } from '../delivery/source-address.ts'
import type { ExplainWorld } from '../explain/world.ts'

export function explainWorld(
  destination: DestinationOptions,
  parts: Pick<ExplainWorld, 'by' | 'policies' | 'limitsOf'>,
): ExplainWorld {
  const routing = routingIn(destination)
  return {
    ...{ ...parts, destination },
    laneFor: (mail) => laneFor(mail, routing),
    routingOf: (mail) => routingTold(mail, routing),
  }
}

/** Where mail goes, by the routes as they are when it is asked. */
export function routingIn({ port, routes, sources }: DestinationOptions): RoutingOptions {
  return { port, routes, pool: defaultPool(sources) }
}
