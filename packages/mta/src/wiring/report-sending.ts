/**
 * Sending daily reports in a relay: the queue as mailer, the key that signs, the guarded client for endpoints, the runs and
 * the watch over the published key. Nothing runs before `start`.
 */
import { type DnsResolver, err, GuardedHttps, invariant, type Listener, ok, type Result } from '@hermetic/policy'
import {
  createReportSender,
  type ReportSender,
  type ResultStore,
  type RunOptions,
  type Signer,
  submitByHttps,
  submitByMail,
} from '@hermetic/reporter'
import type { Config } from '../config/schema.ts'
import { describeSystemError } from '../config/system-error.ts'
import { laneFor } from '../delivery/routing.ts'
import type { LogEvent } from '../observability/log-events.ts'
import { tlsrptKeyPlace } from '../reporting/key-place.ts'
import { KeyWatch } from '../reporting/key-watch.ts'
import { createQueueMailer } from '../reporting/queue-mailer.ts'
import { createReportSigner } from '../reporting/report-signer.ts'
import type { SigningIdentity } from '../signing/identity.ts'
import { keyFileProblemText, readKeyFile } from '../signing/key-files.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import type { Spool } from '../spool/spool.ts'
import { configuredRouting } from './configured-sources.ts'
import { network, readRoots } from './destination-options.ts'
import { EgressGuard } from './egress-guard.ts'
import type { Waking } from './ordered-attempts.ts'
import type { StartProblem } from './start-problem.ts'

export interface ReportSendingParts {
  readonly store: ResultStore
  readonly spool: Pick<Spool, 'accept' | 'health'>
  readonly scheduler: Waking
  readonly resolver: Pick<DnsResolver, 'txt' | 'address'>
  /** Our own, never dialled. */
  readonly listeners: readonly Listener[]
  readonly emit: (event: LogEvent) => void
}

export interface ReportSending {
  readonly sender: Pick<ReportSender, 'run'>
  /** What previews need to know. */
  readonly options: RunOptions
  start(): void
  stop(): Promise<void>
}

export function openReportSending(config: Config, parts: ReportSendingParts): Result<ReportSending, StartProblem> {
  const { organization, contact } = config.tlsrpt
  invariant(organization !== undefined && contact?.domain.kind === 'name', 'the rules of [tlsrpt] hold')
  const { emit, resolver } = parts
  const roots = readRoots(config)
  if (!roots.ok) return roots
  const keys = reportKeys(config, emit)
  if (!keys.ok) return keys
  const [first, ...more] = keys.value
  if (first === undefined) emit({ event: 'tlsrpt-key-missing', domain: contact.domain.name })
  const guard = new EgressGuard(config.egress.https_networks.map(network))
  guard.setListeners(parts.listeners)
  const options: RunOptions = {
    ...{ store: parts.store, resolver, emit },
    reporter: { organizationName: organization, contactInfo: formatAddress(contact) },
    submit: submitBy(config, parts, {
      signer: first === undefined ? undefined : createReportSigner([first, ...more]),
      https: new GuardedHttps({ resolver, guard: (address, port) => guard.judge(address, port), ca: roots.value }),
    }),
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
  }
  const sender = createReportSender(options)
  const watch = new KeyWatch({ keys: keys.value, resolver, emit })
  return ok({
    ...{ sender, options },
    start: () => {
      sender.start()
      watch.start()
    },
    stop: async () => {
      watch.stop()
      await sender.stop()
    },
  })
}

function submitBy(
  config: Config,
  { spool, scheduler }: Pick<ReportSendingParts, 'spool' | 'scheduler'>,
  { signer, https }: { readonly signer: Signer | undefined; readonly https: GuardedHttps },
): RunOptions['submit'] {
  const routing = configuredRouting(config)
  const mailer = createQueueMailer({
    spool,
    laneFor: (mail) => laneFor(mail, routing),
    onQueued: (lane) => scheduler.wake(lane),
    now: Date.now,
  })
  return {
    mailto: (stored, target, time) => submitByMail(stored, target, { mailer, signer, ...time }),
    https: (stored, target, signal) => submitByHttps(stored, target, { https, signal }),
  }
}

/** The key of `[tlsrpt]`, else those of `[[dkim]]` for the very domain of contact (RPT-79). */
function reportKeys(
  config: Config,
  emit: ReportSendingParts['emit'],
): Result<readonly SigningIdentity[], StartProblem> {
  const own = tlsrptKeyPlace(config)
  const { contact } = config.tlsrpt
  const domain = contact?.domain.kind === 'name' ? contact.domain.name : undefined
  const places =
    own === undefined
      ? config.dkim
          .filter((entry) => entry.domain === domain)
          .map(({ domain: of, selector, key_file: path }) => ({ domain: of, selector, path }))
      : [own]
  const identities: SigningIdentity[] = []
  for (const { domain: of, selector, path } of places) {
    const read = readKeyFile(path)
    if (!read.ok) return err({ kind: 'dkim-key', path, detail: keyFileProblemText(read.error, describeSystemError) })
    if (read.value.exposed) emit({ event: 'tlsrpt-key-exposed', path })
    identities.push({
      ...{ domain: of, selector, key: read.value.key },
      ...{ subdomains: false, header: 'relaxed', body: 'relaxed' },
    })
  }
  return ok(identities)
}
