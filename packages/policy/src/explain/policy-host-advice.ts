/** What is wrong with the policy host, and with the document as it serves it (RFC 8461 §3.2, §3.3). Pure. */
import { type PolicyFetchError, policyFetchReport } from '../mta-sts/fetch-error.ts'
import type { PeerFacts } from '../peer-facts.ts'
import { type Advice, type Severity, SOON_MS } from './advice.ts'
import type { ExplainFacts, StsLookups } from './facts.ts'
import { fetchErrorWords, isRedirect } from './fetch-error-words.ts'
import { clockTime, spanWords } from './plain.ts'

export function policyHostAdvice({ sts, at }: ExplainFacts): readonly Advice[] {
  if (sts.kind === 'not-consulted') return []
  const subject = `mta-sts.${sts.policyDomain}`
  const { policyHost } = sts
  if (policyHost.kind === 'failed') return fetchFailure(policyHost.error, sts, subject)
  if (policyHost.kind === 'not-asked') return policyHost.because === 'deadline' ? [slow(subject)] : []
  return [...ending(policyHost.peer, { subject, at }), ...passedOver(policyHost, subject)]
}

/** Our own limits and our own end are nobody else's fault. */
function fetchFailure(error: PolicyFetchError, sts: StsLookups, subject: string): readonly Advice[] {
  const report = policyFetchReport(error)
  if (report === undefined) return []
  const { remedy, rfc } = remedyOf(error)
  const inForce = sts.facts?.kind === 'policy'
  const consequence = inForce
    ? 'Senders keep the policy that they have, until it expires.'
    : 'Senders that have no policy yet deliver without one.'
  return [
    {
      code: `policy-host-${report.failureReasonCode}`,
      severity: inForce ? 'warning' : 'broken',
      ...{ subject, remedy, rfc },
      text: `The policy cannot be fetched: ${fetchErrorWords(error)}. ${consequence}`,
    },
  ]
}

interface Remedy {
  readonly remedy: string
  readonly rfc: readonly string[]
}

const FETCH_RFC = ['RFC 8461 §3.3']
const FILE_RFC = ['RFC 8461 §3.2']

function remedyOf(error: PolicyFetchError): Remedy {
  switch (error.kind) {
    case 'status':
      return isRedirect(error.status)
        ? {
            remedy: 'Serve the document at this very address with status 200: redirects are never followed.',
            rfc: FETCH_RFC,
          }
        : { remedy: 'Serve the document at /.well-known/mta-sts.txt with status 200.', rfc: FETCH_RFC }
    case 'media-type':
      return { remedy: 'Serve it with "Content-Type: text/plain".', rfc: FILE_RFC }
    case 'policy-invalid':
      return { remedy: 'Correct the document; then change the id in the TXT record.', rfc: FILE_RFC }
    case 'webpki':
      return WEBPKI[error.reason]
    case 'dns':
    case 'no-address':
    case 'address-refused':
      return {
        remedy: 'Publish A or AAAA records with public addresses for it, and have all name servers answer.',
        rfc: FETCH_RFC,
      }
    case 'content-encoding':
      return {
        remedy: 'Send the document as it is, without compression, unless it was asked for.',
        rfc: ['RFC 9110 §8.4'],
      }
    case 'too-large':
      return { remedy: 'Keep the document small: senders read 64 kilobytes.', rfc: FETCH_RFC }
    case 'policy-host-name':
      return { remedy: 'The domain is too long for a policy host; MTA-STS cannot be used with it.', rfc: FETCH_RFC }
    default:
      return { remedy: 'Make it answer HTTPS on port 443 within a minute, with TLS 1.2 or 1.3.', rfc: FETCH_RFC }
  }
}

const WEBPKI: Readonly<Record<(PolicyFetchError & { readonly kind: 'webpki' })['reason'], Remedy>> = {
  expired: { remedy: 'Renew the certificate, and see why it was not renewed in time.', rfc: FETCH_RFC },
  name: {
    remedy: 'Show a certificate that has the name of the policy host as a DNS name.',
    rfc: ['RFC 8461 §3.3', 'RFC 9525 §6.3'],
  },
  untrusted: {
    remedy: 'Show a certificate of a public authority, with its intermediate certificates.',
    rfc: FETCH_RFC,
  },
}

function slow(subject: string): Advice {
  return {
    ...{ code: 'policy-host-slow', severity: 'warning', subject, rfc: FETCH_RFC },
    text: 'The policy host did not answer while we waited for it; senders give it a minute at most.',
    remedy: 'Make it answer HTTPS on port 443 at once.',
  }
}

function ending({ chain: [leaf] }: PeerFacts, { subject, at }: { readonly subject: string; readonly at: number }) {
  if (leaf.validTo - at >= SOON_MS) return []
  const severity: Severity = 'warning'
  const advice: Advice = {
    ...{ code: 'policy-host-certificate-ends-soon', severity, subject, rfc: FETCH_RFC },
    text: `The certificate of the policy host ends in ${spanWords(leaf.validTo - at)} (${clockTime(leaf.validTo)}); then no policy can be fetched.`,
    remedy: 'Renew it.',
  }
  return [advice]
}

function passedOver({ passedOver: failures }: { readonly passedOver: readonly PolicyFetchError[] }, subject: string) {
  return failures.map(
    (failure): Advice => ({
      ...{ code: 'policy-host-address-fails', severity: 'warning', subject, rfc: FETCH_RFC },
      text: `One of its addresses gives no policy: ${fetchErrorWords(failure)}.`,
      remedy: 'Mend it, or take that address out of DNS.',
    }),
  )
}
