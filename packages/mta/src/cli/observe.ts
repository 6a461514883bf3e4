/** `hermetic observe summary`: what policies that are only observed would have refused. */
import type { ObservedSearch } from '../admin/observed-order.ts'
import { parseDuration } from '../config/quantity.ts'
import { ObservedTally } from '../history/observed.ts'
import { readArguments } from './arguments.ts'
import { observedJson, observedText, type Survey } from './observe-text.ts'
import { withHistory } from './open-history.ts'
import { openLocalPolicy } from './open-local-policy.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { EXIT, type Terminal, UsageError, type Verb } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', default: false },
  since: { type: 'string', default: '24h' },
} as const

export const observe: Verb = {
  summary: 'what observed policies would have refused, had they been enforced',
  help: `Usage: hermetic observe summary [--since 24h] [--json]

With [delivery] enforcement = "observe", or in a [[policy_override]], MTA-STS and DANE are looked at and refuse nothing.
This tells what enforcing would have refused: for each domain how many deliveries, beside all of them, why, at which
hosts, and when last. Asks the running relay over its socket in data_dir; when none runs, reads history.db.

A delivery to a refused host is not a lost message: had policies been enforced, the next host might have taken it, or
the message would have waited and been tried again.

  --since TIME   so far back: 90m, 24h, 7d (24h)
  --json         one JSON object a line, for every domain that had mail
  --config FILE  read this configuration file

The history is kept for [history] retention (7 days) or until it has [history] max_bytes. Exits with 1 when none is
kept.

Examples:
  hermetic observe summary
  hermetic observe summary --since 7d --json | jq -r 'select(.would_have_refused > 0) | .domain'
`,
  async run([name, ...args], terminal) {
    if (name !== 'summary') throw new UsageError('write: observe summary')
    const { values } = readArguments(args, OPTIONS, { min: 0, max: 0, name: 'words' })
    const reach = parseDuration(values.since)
    if (!reach.ok || reach.value === 0) throw new UsageError('--since takes a time with its unit, e.g. 90m, 24h or 7d')
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    return withHistory(settings.config, { words: 'observe summary', terminal }, async (history) => {
      const survey = await surveyed(history, terminal.now() - reach.value)
      const { report } = await openLocalPolicy(settings.config, terminal.now)
      show({ ...survey, policies: report }, { json: values.json, terminal })
      return EXIT.done
    })
  },
}

async function surveyed(history: ObservedSearch, since: number): Promise<Omit<Survey, 'policies'>> {
  const tally = new ObservedTally()
  let reachesBackTo: number | undefined
  for (let from: number | undefined, more = true; more; ) {
    const page = await history.observed(from === undefined ? { since } : { since, from })
    tally.merge(page.domains)
    reachesBackTo = page.since ?? reachesBackTo
    from = page.next
    more = from !== undefined
  }
  return { since, domains: tally.domains(), ...(reachesBackTo === undefined ? {} : { reachesBackTo }) }
}

function show(survey: Survey, { json, terminal }: { readonly json: boolean; readonly terminal: Terminal }): void {
  const paper = { now: terminal.now(), width: terminal.columns }
  terminal.out(
    json ? survey.domains.map((domain) => `${observedJson(domain)}\n`).join('') : observedText(survey, paper),
  )
}
