/** Looks at the ages of all mail again and again, with its own leases and facts, until the signal is aborted. */
import { setTimeout as pause } from 'node:timers/promises'
import { defaultNoticeSettings } from '../bounce/notice-plan.ts'
import type { SpoolAges } from '../spool/spool-ages.ts'
import { AgeSweep } from './age-sweep.ts'
import { type DeliveryOptions, factsSource, LEASE_MS, settlerOptions } from './delivery.ts'
import { LeaseKeeper } from './lease-keeper.ts'

/** With the grace of the sweep: what is over its age is returned within a minute. */
const SWEEP_MS = 15_000

export async function watchAges(
  delivery: DeliveryOptions,
  {
    spool,
    signal,
  }: { readonly spool: DeliveryOptions['spool'] & { readonly ages: SpoolAges }; readonly signal: AbortSignal },
): Promise<void> {
  const { leaseMs = LEASE_MS, monotonic, now, emit, scheduler, notices = defaultNoticeSettings } = delivery
  const leases = new LeaseKeeper({ spool, leaseMs, monotonic, emit })
  const facts = factsSource(delivery)
  const settler = settlerOptions(delivery, leases)
  const sweep = new AgeSweep({ spool, facts, leases, settler, notices, scheduler, leaseMs, now, emit })
  try {
    while (!signal.aborted) {
      await sweep.run(signal)
      await pause(SWEEP_MS, undefined, { signal, ref: false }).catch(() => undefined)
    }
  } finally {
    leases.close()
    await facts.close()
  }
}
