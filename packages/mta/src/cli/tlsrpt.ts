/** `hermetic tlsrpt …`: daily TLS reports, sent and received. Each subverb is a file of its own. */
import { suggestion } from '../config/suggestion.ts'
import { tlsrptKey } from './tlsrpt-key.ts'
import { tlsrptPending } from './tlsrpt-pending.ts'
import { tlsrptRead } from './tlsrpt-read.ts'
import { tlsrptRun } from './tlsrpt-run.ts'
import { tlsrptShow } from './tlsrpt-show.ts'
import { type Terminal, UsageError, type Verb } from './verb.ts'

export type Subverb = (args: readonly string[], terminal: Terminal) => Promise<number>

const SUBVERBS: Readonly<Record<string, Subverb>> = {
  run: tlsrptRun,
  show: tlsrptShow,
  pending: tlsrptPending,
  key: tlsrptKey,
  read: tlsrptRead,
}

export const tlsrpt: Verb = {
  summary: 'daily TLS reports: send them, see what waits, make their key, read those of others',
  help: `Usage: hermetic tlsrpt run     [--day DAY] [--now] [--dry-run] [--json]
       hermetic tlsrpt show    DOMAIN DAY [--json]
       hermetic tlsrpt pending [--json]
       hermetic tlsrpt key     [SELECTOR] [--check]
       hermetic tlsrpt read    [FILE…] [--json]

  run      send what is due, in the running relay; it does so by itself every minute
  show     what was counted of sessions with a domain on a day (UTC): by policy the sessions that were good, and why the
           others were not; also of a day that is not over. Kept for two days after it, for domains that want reports
  pending  reports that are not done, with every target, its attempts and its last trouble; when no relay runs,
           from tlsrpt.db or Redis
  key      make the key that signs report mails, or show it again: the record for DNS and the lines for hermetic.toml.
           SELECTOR is "tlsrpt" unless you say so; a key is never written over
  read     show reports that others sent: mails, .json, .json.gz, or standard input; what departs from RFC 8460 is told

  --day DAY        only that day (UTC), e.g. 2026-11-21
  --now            do not wait for the hours over which reports are spread, nor for the next attempt. With the day of
                   today, that day ends here: later sessions are in no report. For trying things out
  --dry-run        send nothing: tell what would go where
  --check          compare the key with what DNS says of it; exits with 1 when it does not fit
  --json           one JSON object a line
  --config FILE    read this configuration file

Examples:
  hermetic tlsrpt key
  hermetic tlsrpt run --dry-run
  hermetic tlsrpt show example.com today
  hermetic tlsrpt pending
  hermetic tlsrpt read report.eml
`,
  async run([name = '', ...args], terminal) {
    const subverb = Object.hasOwn(SUBVERBS, name) ? SUBVERBS[name] : undefined
    if (subverb !== undefined) return subverb(args, terminal)
    const names = Object.keys(SUBVERBS)
    const near = suggestion(name, names)
    throw new UsageError(near === undefined ? `write one of: ${names.join(', ')}` : `did you mean tlsrpt ${near}?`)
  },
}
