/**
 * The settings above the first table, and `[queue]`, `[metrics]` and `[log]`: the relay itself. Pure.
 */
import { availableParallelism } from 'node:os'
import { ROLES } from '../../nodes/role.ts'
import { defaulted, optional, table } from '../setting.ts'
import { choice, endpoint, integer, mailbox, ownName, path, roles } from '../value-types.ts'

export const hostname = optional(ownName, {
  sentence:
    'Our name in EHLO, greetings, Received fields and bounces; it should resolve to the address that mail leaves from, and back.',
  source: 'RFC 5321 §4.1.4',
  whenAbsent: "the system's host name when that is a full name, else an address literal (loopback listeners only)",
  example: '"relay.example.com"',
})

export const dataDir = defaulted(path, './data', {
  sentence:
    'Where the queue, generated certificates and credentials are kept; relative paths start at the configuration file.',
  source: 'architecture §3',
})

/** More of them than this only take the processor from each other. */
const THREADS_PER_CORE_MAX = 2
const THREADS_MAX = availableParallelism() * THREADS_PER_CORE_MAX

export const threads = defaulted(integer({ min: 1, max: Math.max(2, THREADS_MAX) }), 1, {
  sentence:
    'How many threads take sessions and deliver; at most two for each processor. With 1 all of it is done in the main thread.',
  source: 'docs/operating/threads.md',
})

export const role = defaulted(roles, ROLES.join(', '), {
  sentence:
    'What this process does. With the queue in Redis the roles may be spread over processes; with an embedded queue only api may be left out. hermetic start --role says the same.',
  source: 'docs/operating/roles.md',
})

export const postmaster = optional(mailbox, {
  sentence: 'Where mail for <postmaster> at this relay is sent.',
  source: 'RFC 5321 §4.5.1',
  whenAbsent: 'none; needed as soon as a listener is not on loopback',
  example: '"postmaster@example.com"',
})

export const metrics = table(
  { sentence: 'Metrics and probes for machines.' },
  {
    listen: defaulted(endpoint, '127.0.0.1:9125', {
      sentence: 'Where /metrics, /healthz and /readyz are served, without a login; port 0 takes a free one.',
      source: 'architecture §5',
    }),
  },
)

export const log = table(
  { sentence: 'The log: one JSON object a line on standard output.' },
  {
    level: defaulted(choice('debug', 'info', 'warn', 'error'), 'info', {
      sentence: 'The least severe lines that are written.',
      source: 'docs/log-events.md',
    }),
    addresses: defaulted(choice('full', 'domain'), 'full', {
      sentence: 'Whether mail addresses are written whole or as *@example.com; user names of logins are always whole.',
      source: 'RFC 6973 §6.1',
    }),
  },
)
