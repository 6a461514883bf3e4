/**
 * What a person reads when mail was not sent because a TLS policy forbade it: whose policy, which server, why, and what
 * the owner of that domain can do (DSN-20). Pure.
 *
 * The reason of a cause is a list of words of our own (`delivery/session.ts`, `delivery/attempt.ts`), never text of a
 * peer; a reason that is new to this file is shown as it is.
 */
import type { TlsPolicyCause } from '../delivery/outcome.ts'
import type { Explanation } from './explanation.ts'
import { printable } from './header-text.ts'

/** `server` is named with its article, as in `the mail server mx.example [192.0.2.1]`. */
export function tlsRefusal(cause: TlsPolicyCause, server: string): Explanation {
  const host = cause.mxHostname === undefined ? server : `the mail server ${shown(cause.mxHostname)}`
  if (cause.requireTls !== undefined) return { what: requireTlsText(cause, host), advice: OR_WITHOUT }
  const what = `${demandText(cause, host)} Nothing was sent over a channel that others could read.`
  const { mechanism, policyDomain } = cause
  if (mechanism === undefined) return { what, advice: `${OURS_TO_ASK} ${remedy(cause, host)}` }
  return { what, advice: `Tell the administrator of ${shown(policyDomain)}: ${remedy(cause, host)}` }
}

const OURS_TO_ASK = 'It is this relay that demands so: ask the postmaster named below.'

const OR_WITHOUT = 'Tell the administrator of that domain, or send the message again without that demand (REQUIRETLS).'

/** RFC 8689 §4.2.1: it was the sender who wanted it so. */
function requireTlsText({ reason }: TlsPolicyCause, host: string): string {
  return `You demanded that the message travel encrypted and to proven servers only (REQUIRETLS), and ${host} did not prove what that takes: ${shown(reason)}.`
}

function demandText({ policyDomain, mechanism, mxHostname, reason }: TlsPolicyCause, host: string): string {
  const domain = `The domain ${shown(policyDomain)}`
  const why = shown(reason)
  if (mechanism === undefined)
    return `This relay demands a proven encrypted connection to ${shown(policyDomain)}, and ${host} did not prove it: ${why}.`
  if (mechanism === 'dane') return daneText(why, host, mxHostname)
  if (mxHostname !== undefined) return `${domain} enforces an MTA-STS policy that does not name ${host}: ${why}.`
  return `${domain} enforces ${PROMISES[mechanism]}: a proven encrypted connection. ${capital(host)} did not prove it: ${why}.`
}

const PROMISES = {
  'mta-sts': 'an MTA-STS policy',
  'dane+mta-sts': 'an MTA-STS policy, and its mail server DANE',
} as const

/** RFC 7672 §2.1.2: a host whose TLSA records cannot be had is one whose promise is not known. */
function daneText(why: string, host: string, mxHostname: string | undefined): string {
  if (mxHostname !== undefined) return `What ${host} promises of encryption (DANE) could not be found out: ${why}.`
  return `${capital(host)} promises a proven encrypted connection in signed DNS (DANE), and did not prove it: ${why}.`
}

/** By the first word of the reason, which names the worst. */
function remedy({ reason, policyDomain, mechanism }: TlsPolicyCause, host: string): string {
  const [kind = ''] = reason.split(/[ ,]/, 1)
  switch (kind) {
    case 'starttls-not-offered':
    case 'starttls-refused':
      return `${host} must offer STARTTLS.`
    case 'handshake-failed':
      return `TLS must work at ${host}.`
    case 'certificate-untrusted':
      return `${host} needs a valid certificate of an authority that others trust.`
    case 'certificate-name-mismatch':
      return `the certificate of ${host} must name that server.`
    case 'tlsa-mismatch':
      return `the TLSA records of ${host} and its certificate must fit each other.`
    case 'tlsa-lookup-failed':
    case 'tlsa-invalid':
      return `its name servers must answer the question for the TLSA records of ${host}.`
    case 'dane-required':
      return `${host} needs TLSA records in a signed zone.`
    case 'sts-mx-mismatch':
      return `the policy at ${policyAddress(policyDomain)} must name ${host}, or the MX records must not.`
    default:
      return mechanism === 'dane' ? `DANE at ${host} needs mending.` : `TLS at ${host} needs mending.`
  }
}

/** RFC 8461 §3.3. */
function policyAddress(policyDomain: string): string {
  return `https://mta-sts.${shown(policyDomain)}/.well-known/mta-sts.txt`
}

function shown(text: string): string {
  return printable(text, 255)
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
