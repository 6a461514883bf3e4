/**
 * Recipients that get no mail any more: a message that was accepted before their address was suppressed is not sent to
 * them, and its sender is told at once instead of after another refusal.
 */

import type { MailAddress } from '../smtp/mail-address.ts'
import type { Suppressed } from '../suppression/suppression-list.ts'
import { type SuppressionKey, suppressionKey } from '../suppression/suppression-list.ts'
import type { ClaimProgress } from './claim-progress.ts'
import { problemOf } from './problem.ts'

export interface SuppressedOptions {
  readonly find: (addresses: readonly MailAddress[]) => Promise<ReadonlyMap<SuppressionKey, Suppressed>>
  /** UTC milliseconds. */
  readonly now: () => number
}

/** One question for all of a batch. */
export async function refuseSuppressed(
  batch: readonly ClaimProgress[],
  { find, now }: SuppressedOptions,
): Promise<void> {
  const addresses = batch.flatMap(({ open }) => open.map(({ address }) => address))
  const found = addresses.length === 0 ? undefined : await find(addresses)
  if (found === undefined || found.size === 0) return
  for (const progress of batch) {
    for (const { index, address } of progress.open) {
      const entry = found.get(suppressionKey(address))
      if (entry === undefined) continue
      const { since, until, by, status } = entry
      const cause = {
        kind: 'suppressed',
        since,
        until,
        by,
        ...(status === undefined ? {} : { refusal: status }),
      } as const
      progress.settle(index, { kind: 'failed', problem: problemOf(cause, { at: now() }) })
    }
  }
}
