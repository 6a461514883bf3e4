/**
 * The moments at which the sender of a message for several next hops is told what became of it. Pure.
 *
 * They are moments of the message, counted from its arrival: whatever its lanes have to tell between two of them is
 * told together, by whichever node. The gaps double up to a limit, so a list with many bad addresses makes a handful
 * of notifications, and nobody waits longer for one than the message has waited already, or than the limit.
 */
export interface NoticeMoments {
  /** From arrival to the first. */
  readonly firstMs: number
  readonly gapMaxMs: number
}

/** The first moment that is not before now; UTC milliseconds. */
export function noticeMoment(
  message: { readonly receivedAt: number; readonly now: number },
  { firstMs, gapMaxMs }: NoticeMoments,
): number {
  // A clock that was set back makes no moment in the past of the message.
  const age = Math.max(0, message.now - message.receivedAt)
  let at = firstMs
  let gap = firstMs
  while (at < age && gap < gapMaxMs) {
    at += gap
    gap = at
  }
  if (at < age) at += Math.ceil((age - at) / gapMaxMs) * gapMaxMs
  return message.receivedAt + at
}
