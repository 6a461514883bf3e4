/** What rules that hold mail tell operators. A closed list; wording and metrics are made in `observability/`. */
export type HoldEvent =
  | {
      readonly event: 'hold-rule-added'
      readonly rule: string
      /** Whose mail it means. */
      readonly means: string
      readonly reason: string
      readonly until?: number
    }
  | { readonly event: 'hold-rule-removed'; readonly rule: string }
  /** Nothing that it held is left, and it is forgotten. `by`: its time was over, or an operator removed it. */
  | { readonly event: 'hold-rule-ended'; readonly rule: string; readonly by: 'time' | 'order' }
  /** Recipients that a rule means wait for its end: as they arrived, or before they were tried. */
  | { readonly event: 'mail-held'; readonly rule: string; readonly recipients: number; readonly at: 'accept' | 'claim' }
  | { readonly event: 'held-mail-released'; readonly rule: string; readonly messages: number }
  /** Rules cannot be read or ended: those that are known go on. Once per outage. */
  | { readonly event: 'hold-rules-failing'; readonly detail: string }
