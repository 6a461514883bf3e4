/** The rules that hold mail, in front of the spool of either engine; and who releases what they held when they are over. */
import type { RecordedSpool } from '../history/recorded-spool.ts'
import { HoldKeeper } from '../holds/hold-keeper.ts'
import { isOver } from '../holds/hold-rule.ts'
import { type HoldAdmin, HoldRules } from '../holds/hold-rules.ts'
import { holdingSpool } from '../holds/holding-spool.ts'
import type { LogEvent } from '../observability/log-events.ts'
import type { Engine } from './engine.ts'
import { wakeChanged } from './wake-changed.ts'

export interface HoldSide {
  /** As rules hold its mail. */
  readonly spool: RecordedSpool
  readonly admin: HoldAdmin
  /** Rules that hold mail now. */
  inForce(): number
  stop(): Promise<void>
}

/** Nothing is claimed before the rules are known. */
export async function openHoldSide(
  { spool, scheduler }: Pick<Engine, 'spool' | 'scheduler'>,
  emit: (event: LogEvent) => void,
): Promise<HoldSide> {
  const rules = new HoldRules({ store: spool.holdRules, now: Date.now, emit })
  await rules.read()
  const keeper = new HoldKeeper({
    ...{ rules, now: Date.now, emit, queue: spool.admin },
    onReleased: (changes, rule) =>
      void wakeChanged({ kind: 'release', rule }, changes, { spool, scheduler }).catch(() => undefined),
  })
  keeper.start()
  return {
    spool: holdingSpool(spool, { rules, emit }),
    admin: rules,
    inForce: () => rules.known.filter((rule) => !isOver(rule, Date.now())).length,
    stop: () => keeper.stop(),
  }
}
