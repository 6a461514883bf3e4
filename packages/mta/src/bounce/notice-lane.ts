/**
 * The lane in which wait, not messages, but what their senders are to be told: its turn is `notice-turn.ts`. No mail
 * ever leaves through it, so it has no next hop.
 */
import type { LaneId } from '../delivery/lane.ts'

export const NOTICE_LANE = 'notice' as LaneId
