/** What a rule over several settings found. Pure vocabulary; the rules are in `rules.ts` and `route-rules.ts`. */
import type { ConfigPath } from './config-path.ts'
import type { PathProblem } from './issues.ts'

export interface Finding extends PathProblem {
  /** What the rule read: it says nothing when one of these is already known to be wrong. */
  readonly read: readonly ConfigPath[]
}
