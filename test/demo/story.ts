/**
 * What the relay's log says of one domain, as the words of one row: the policy it found, what it demanded, what the
 * host proved, and what became of the message. Pure.
 */

/** One line of the log, as `docs/log-events.md` describes it. */
export type LogFields = Readonly<Record<string, unknown>>

export interface Story {
  /** Of the message. */
  readonly queueId: string
  readonly found: string
  readonly demanded: string
  readonly proved: string
  readonly outcome: string
  /** Settled: nothing more comes of this attempt. */
  readonly done: boolean
  readonly delivered: boolean
  /** What the relay says that TLS proved; `sts`: what the policy demands. */
  readonly verdict: string
}

const UNKNOWN = ''

export function storyOf(log: readonly LogFields[], domain: string): Story {
  const about = log.filter((line) => line['next_hop'] === domain || line['policy_domain'] === domain)
  const last = (event: string) => about.findLast((line) => line['event'] === event)
  const lane = text(about.find((line) => line['lane'] !== undefined)?.['lane'])
  const attempt = last('attempt-finished')
  const refused = last('candidate-skipped') ?? last('session-failed')
  const judged = last('channel-judged')
  const settled = log.find((line) => line['event'] === 'message-settled' && line['lane'] === lane)
  return {
    queueId: text(settled?.['id']),
    found: foundWords(attempt, { refused, fetch: last('sts-fetch-ended') }),
    demanded: demandWords(judged, refused),
    proved: proofWords(judged, refused),
    outcome: outcomeWords(attempt, settled),
    done: settled !== undefined,
    delivered: attempt?.['result'] === 'delivered',
    verdict: text(attempt?.['tls_verdict']),
  }
}

/** What an operator should look at, in the relay's own words. */
export function alarmsOf(log: readonly LogFields[]): readonly string[] {
  return log
    .filter((line) => ['warn', 'error'].includes(text(line['level'])) && text(line['event']).startsWith('sts-'))
    .map((line) => `${text(line['policy_domain'])}: ${text(line['event'])} (${text(line['reason'])})`)
}

function foundWords(
  attempt: LogFields | undefined,
  { refused, fetch }: { readonly refused: LogFields | undefined; readonly fetch: LogFields | undefined },
): string {
  if (attempt !== undefined) {
    const policy = text(attempt['sts_policy'])
    if (policy === 'none: fetch-failed') return `none: ${text(fetch?.['detail'])}`
    if (policy.startsWith('none')) return 'none'
    return `${policy}, ${origin(attempt['sts_from'], Number(attempt['sts_age_seconds']))}`
  }
  const policy = fields(refused?.['policy'])
  if (policy['kind'] !== 'sts') return UNKNOWN
  return `${text(policy['mode'])}, ${origin(policy['from'], Number(policy['age_ms']) / 1000)}`
}

const DAY_SECONDS = 86_400

function origin(from: unknown, ageSeconds: number): string {
  if (from === 'fresh') return 'new'
  const days = Math.floor(ageSeconds / DAY_SECONDS)
  return days > 0 ? `${days} days old` : 'from the cache'
}

function demandWords(judged: LogFields | undefined, refused: LogFields | undefined): string {
  if (refused?.['event'] === 'candidate-skipped') return 'a listed host'
  if (judged === undefined) return UNKNOWN
  return fields(judged['requirement'])['pkix'] === true ? 'its own name' : 'TLS if offered'
}

const FAILURES: Readonly<Record<string, string>> = {
  'starttls-not-supported': 'no TLS',
  'certificate-host-mismatch': 'another name',
  'certificate-expired': 'expired',
  'certificate-not-trusted': 'not trusted',
}

function proofWords(judged: LogFields | undefined, refused: LogFields | undefined): string {
  if (refused?.['event'] === 'candidate-skipped') return 'not contacted'
  if (judged === undefined) return UNKNOWN
  const results = Array.isArray(judged['results']) ? judged['results'].map(fields) : []
  const outcome = fields((results.find((one) => one['policy_type'] === 'sts') ?? results[0])?.['outcome'])
  const [first] = Array.isArray(outcome['details']) ? outcome['details'] : []
  const resultType = text(fields(first)['result_type'])
  if (outcome['kind'] !== 'success') return FAILURES[resultType] ?? resultType
  return fields(judged['verdict'])['level'] === 'sts' ? 'its own name' : 'TLS, unchecked'
}

/** The cause in a log line begins with the rule and the domain, which stand in the row already; so do details. */
function outcomeWords(attempt: LogFields | undefined, settled: LogFields | undefined): string {
  if (settled === undefined) return UNKNOWN
  if (attempt !== undefined) return `${text(attempt['result'])} ${text(attempt['reply'])}`
  const [why = ''] = text(settled['cause']).split(': ').slice(-1)
  return `waits ${text(settled['status'])} ${why.replace(/ \(.*\)$/, '')}`
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function fields(value: unknown): LogFields {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}
