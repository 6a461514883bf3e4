/**
 * The settings above the first table, and `[queue]`, `[metrics]` and `[log]`: the relay itself. Pure.
 */
import { defaulted, optional, table } from '../setting.ts'
import { choice, endpoint, mailbox, ownName, path, size } from '../value-types.ts'

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

export const postmaster = optional(mailbox, {
  sentence: 'Where mail for <postmaster> at this relay is sent.',
  source: 'RFC 5321 §4.5.1',
  whenAbsent: 'none; needed as soon as a listener is not on loopback',
  example: '"postmaster@example.com"',
})

export const queue = table(
  { sentence: 'Where accepted mail rests.' },
  {
    engine: defaulted(choice('embedded'), 'embedded', {
      sentence: 'embedded keeps the queue in SQLite and files under data_dir.',
      source: 'architecture §3',
    }),
    max_bytes: defaulted(size({ min: 16 * 1024 ** 2, max: 512 * 1024 ** 4 }), '10 GiB', {
      sentence: 'Size of the queue; no new mail at 85 %, no deliveries at 95 %, nor when the disk is as full as that.',
      source: 'architecture §3',
    }),
  },
)

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
