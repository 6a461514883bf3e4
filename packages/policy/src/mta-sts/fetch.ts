/**
 * Fetches the policy of a domain from its policy host, once and afresh (RFC 8461 §3.2, §3.3).
 *
 * Only a whole document with status 200 and media type text/plain is read. Records, caching, back-off and what
 * follows from a failure are known elsewhere (`record.ts`, `source.ts`).
 */
import type { DomainName } from '../domain-name.ts'
import { parseHostname } from '../domain-name.ts'
import type { GuardedHttps, HttpsDocument } from '../egress/guarded-https.ts'
import type { ResponseHead } from '../egress/http-exchange.ts'
import { err, ok, type Result } from '../result.ts'
import type { PolicyFetchError } from './fetch-error.ts'
import { parsePolicyFile, type StsPolicy } from './policy-file.ts'

export interface FetchWorld {
  readonly https: Pick<GuardedHttps, 'get'>
  /** 443 but in tests (`mta_sts.https_port`). */
  readonly httpsPort?: number | undefined
  readonly signal?: AbortSignal | undefined
}

export interface FetchedPolicy {
  readonly policy: StsPolicy
  readonly policyHost: DomainName
  /** As served: `document.body` for reports and `explain`, with the host's address and TLS facts. */
  readonly document: HttpsDocument
}

const HTTPS_PORT = 443
/** RFC 8461 §3.3 suggests 64 kilobytes. */
export const POLICY_BYTES_MAX = 64 * 1024
const WELL_KNOWN_PATH = '/.well-known/mta-sts.txt'

export async function fetchPolicy(
  domain: DomainName,
  { https, httpsPort = HTTPS_PORT, signal }: FetchWorld,
): Promise<Result<FetchedPolicy, PolicyFetchError>> {
  const policyHost = parseHostname(`mta-sts.${domain}`)
  if (!policyHost.ok) return err({ kind: 'policy-host-name' })
  const document = await https.get<PolicyFetchError>({
    host: policyHost.value,
    port: httpsPort,
    path: WELL_KNOWN_PATH,
    bodyBytesMax: POLICY_BYTES_MAX,
    judgeHead: refusedHead,
    signal,
  })
  if (!document.ok) return document
  const { body, address } = document.value
  const policy = parsePolicyFile(body)
  if (!policy.ok) return err({ kind: 'policy-invalid', address, error: policy.error })
  return ok({ policy: policy.value, policyHost: policyHost.value, document: document.value })
}

/** RFC 8461 §3.3: any status but 200 is a failure, redirects are not followed; §3.2: the media type. */
function refusedHead({ status, fields }: ResponseHead, address: string): PolicyFetchError | undefined {
  if (status !== 200) return { kind: 'status', address, status }
  const written = fields['content-type'] ?? []
  const [mediaType = ''] = (written[0] ?? '').split(';')
  if (written.length === 1 && mediaType.trim().toLowerCase() === 'text/plain') return undefined
  return { kind: 'media-type', address, mediaType: written.length === 0 ? undefined : written.join(', ') }
}
