/** What is told of limits: for a lane and its site, or of what lanes wait for now. */
import type { LaneWaits } from '../admin/waits-order.ts'
import type { LaneId } from '../delivery/lane.ts'
import { routeOfLogin, type SuspendedLogin } from '../delivery/login-breaker.ts'
import type { RestingLanes } from '../delivery/resting-lanes.ts'
import type { WaitingLanes } from '../delivery/waiting-lanes.ts'
import type { ExplainWorld } from '../explain/world.ts'
import { isOrdinary, limitReport } from '../limits/limit-report.ts'
import type { SiteLimitTable } from '../limits/site-limits.ts'

type Waiting = Pick<WaitingLanes, 'waitOf'>

/** Without lanes nobody waits: no relay runs here. */
export function limitsTold(table: SiteLimitTable, waiting?: Waiting): NonNullable<ExplainWorld['limitsOf']> {
  return (lane, site) => {
    const report = limitReport(site, table, waiting?.waitOf(lane)?.limit)
    return isOrdinary(report) ? undefined : report
  }
}

export function waitsTold(
  table: SiteLimitTable,
  { waiting, suspendedLogins }: { readonly waiting: Waiting; suspendedLogins(): readonly SuspendedLogin[] },
  resting: Pick<RestingLanes, 'restOf'>,
): (lane: LaneId) => LaneWaits {
  return (lane) => {
    const wait = waiting.waitOf(lane)
    const login = suspendedLogins().find(({ route }) => route === routeOfLogin(lane))
    // The rest of a lane whose login is refused is the suspension.
    const rest = login === undefined ? resting.restOf(lane) : undefined
    return {
      ...(wait === undefined ? {} : { limit: limitReport(wait.site, table, wait.limit) }),
      ...(login === undefined ? {} : { suspended: { said: login.said, until: login.until } }),
      ...(rest === undefined ? {} : { resting: rest }),
    }
  }
}
