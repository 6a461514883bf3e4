/**
 * A report to an HTTPS endpoint (RFC 8460 §5.4): the compressed report itself by POST, under the rules of every
 * connection to hosts that strangers name (RPT-96). Redirects are not followed, and what the endpoint says beyond its
 * status is not read (RPT-95).
 */
import { assertNever, type GuardedHttps, type HttpsFailure } from '@hermetic/policy'
import type { HttpsRua } from './rua.ts'
import type { StoredReport } from './stored-report.ts'
import { failed, notTried, type Submission } from './submission.ts'

export interface HttpsOptions {
  readonly https: Pick<GuardedHttps, 'post'>
  readonly signal?: AbortSignal | undefined
}

/** RFC 8460 §5.4; no content coding besides, or a reader unpacks once and finds an archive (RPT-93). */
const CONTENT_TYPE = 'application/tlsrpt+gzip'

export async function submitByHttps(
  { rendered }: Pick<StoredReport, 'rendered'>,
  { host, port, path }: HttpsRua,
  { https, signal }: HttpsOptions,
): Promise<Submission> {
  const content = { type: CONTENT_TYPE, bytes: rendered.compressed }
  const request = { host, port, path, content, signal }
  const first = await https.post(request)
  const unproven = !first.ok && first.error.kind === 'webpki' ? first.error.reason : undefined
  // RPT-94: the report is about such troubles, and holds nothing that is secret.
  const reply = unproven === undefined ? first : await https.post({ ...request, acceptUnproven: true })
  const doubt = unproven === undefined ? {} : { unproven }
  if (!reply.ok) return submissionOf(reply.error)
  const { status } = reply.value
  const told = { status, ...doubt }
  return status >= 200 && status <= 299 ? { outcome: { kind: 'accepted' }, told } : failed(`status-${status}`, told)
}

function submissionOf(failure: HttpsFailure): Submission {
  return failure.kind === 'own-limit' || failure.kind === 'aborted'
    ? notTried(failure.kind)
    : failed(httpsReason(failure))
}

/** One word; the endpoint's own text is never part of it. */
function httpsReason(failure: HttpsFailure): string {
  switch (failure.kind) {
    case 'dns':
      return `dns-${failure.reason.kind}`
    case 'connect':
      return `connect-${failure.code}`
    case 'tls':
      return `tls-${failure.failure.kind}`
    case 'webpki':
      return `webpki-${failure.reason}`
    case 'timeout':
      return `timeout-${failure.phase}`
    case 'no-address':
    case 'address-refused':
    case 'truncated':
    case 'malformed':
    case 'content-encoding':
    case 'too-large':
    case 'own-limit':
    case 'aborted':
      return failure.kind
    default:
      return assertNever(failure)
  }
}
