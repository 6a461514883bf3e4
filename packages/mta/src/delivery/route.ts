/**
 * Which lane a recipient's mail goes to (architecture §3): asked at accept and at every deferral. Pure.
 * Smarthost routes by domain or sender come with their settings; today every domain is its own next hop.
 */
import type { MailAddress } from '../smtp/mail-address.ts'
import { type LaneId, laneId } from './lane.ts'

/** RFC 5321 §5.1: the domain part of the forward-path decides, or the address in it. */
export function laneFor(recipient: MailAddress, { port }: { readonly port: number }): LaneId {
  return laneId({ kind: 'mx', nextHop: recipient.domain, port })
}
