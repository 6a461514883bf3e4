/** The rules that hold mail, in the store of the spool. */
import type { HoldRule } from '../holds/hold-rule.ts'
import type { HoldRuleStore } from '../holds/hold-rule-store.ts'
import type { SpoolStore } from './store-protocol.ts'

export function storedHoldRules(link: Pick<SpoolStore, 'ask'>): HoldRuleStore {
  return {
    // Nobody else writes them: what is in them was made below.
    list: async () => {
      const rules = (await link.ask('hold-rules', {})).map((text) => JSON.parse(text) as HoldRule)
      return rules.toSorted((a, b) => a.since - b.since || (a.id < b.id ? -1 : 1))
    },
    put: async (rule) => void (await link.ask('put-hold-rule', { id: rule.id, rule: JSON.stringify(rule) })),
    drop: async (id) => void (await link.ask('drop-hold-rule', { id })),
  }
}
