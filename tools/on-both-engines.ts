/**
 * Which of `test/scenarios` run on Redis as well as with the embedded engine, and why the others do not: in each of
 * those the queue only carries a message to what the scenario is about. Every scenario stands in one of the two lists.
 */
import { globSync } from 'node:fs'
import { basename } from 'node:path'

const SUFFIX = '.test.ts'

/** The queue, its lanes, permits, policies, results or orders decide something. */
const ON_BOTH_ENGINES: readonly string[] = [
  'configured-timers',
  'control-api',
  'dane-alarms',
  'dane-whole-relay',
  'delivery-*',
  'dkim',
  'dns-out-of-reach',
  'dnssec-held',
  'drain',
  'dsn-*',
  'explain',
  'failure-notification',
  'hanging-store',
  'history-trouble',
  'hold-rules',
  'misbehaving-host',
  'mta-sts-{alarms,whole-relay}',
  'no-backscatter',
  'observe',
  'override-list',
  'priorities',
  'reload',
  'requiretls-{fallback,whole-relay}',
  'reroute',
  'routes-{changed,choice,fallback,suspended}',
  'site-limits',
  'socketmap',
  'source-pools',
  'submission-terms',
  'suppression',
  'threads*',
  'tlsrpt-{report-orders,whole-relay}',
  'trace',
  'unattended-relay',
  'upgrade',
]

const ENGINE_BLIND: readonly (readonly [because: string, names: readonly string[]])[] = [
  [
    'one message meets one host: what is judged of its channel, or said to it, is the same from any queue',
    [
      'auth-parameter',
      'dane-{delivery,handshake,host-names,table-a}',
      'dialling',
      'eight-bit',
      'mta-sts-{attempts,domain,ending,handshake,table-a}',
      'overrides',
      'policy-failures-per-host',
      'preload',
      'requiretls',
      'requiretls-{notification,table-c}',
      'routes',
      'routes-{dane,login,tokens}',
      'smtp-{limits,vectors}',
      'tls-optional',
    ],
  ],
  [
    'nothing is queued',
    ['explain-{dane,documented,limits}', 'line-end-repair', 'null-mx-submission', 'operating-pages'],
  ],
  [
    'results are counted in memory, or read by a reporter; its store on Redis has a contract and tests of its own',
    ['tlsrpt-{counting,mixed-day,policy-fetch,report-mail,results,whole-day}'],
  ],
  ['opens the store of the embedded engine by itself', ['report-mailer-queue']],
  ['--try and the first login never touch Redis', ['first-message']],
  ['lanes of both engines are compared in test/soak/fairness', ['fairness']],
]

/** The files to run, relative to `root`; a scenario that is in none of the lists, or in both, is an error. */
export function scenariosOnRedis(root: URL): readonly string[] {
  const all = found(root, ['*'])
  const both = found(root, ON_BOTH_ENGINES)
  const blind = found(
    root,
    ENGINE_BLIND.flatMap(([, names]) => names),
  )
  const unclear = all.filter((file) => both.includes(file) === blind.includes(file))
  if (unclear.length > 0) {
    const names = unclear.map((file) => basename(file, SUFFIX)).join(', ')
    throw new Error(`tools/on-both-engines.ts says not, or twice, whether these run on Redis: ${names}`)
  }
  return both
}

function found(root: URL, names: readonly string[]): readonly string[] {
  return globSync(
    names.map((name) => `test/scenarios/${name}${SUFFIX}`),
    { cwd: root },
  ).sort()
}
