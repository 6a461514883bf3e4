/**
 * What other programs say of a mail exchanger with TLSA records: Postfix' own probe, which looks everything up as
 * Postfix would, and OpenSSL's client, which is told the records. Both in the words of one closed list.
 */
import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { baseDomainOf, type DaneHost, domainOf } from './dane-domains.ts'
import type { DanePostfixLab } from './dane-postfix-lab.ts'

export type DaneFinding =
  /** By TLSA records, of a host that a signed MX record names, or an unsigned one. */
  | 'authenticated'
  | 'authenticated-insecure-mx'
  | 'mismatch'
  /** TLS, and no TLSA record that could authenticate it. */
  | 'unauthenticated'
  | 'no-starttls'
  | 'lookup-failed'

const run = promisify(execFile)
const TIMEOUT_MS = 20_000

/** `posttls-finger -l dane`, in a mount namespace of its own in which resolv.conf names the lab's unbound. */
export async function postfixFinding(lab: DanePostfixLab, { domain }: DaneHost): Promise<DaneFinding> {
  const resolvConf = `${lab.dir}/resolv.conf`
  await writeFile(resolvConf, `nameserver ${lab.nameServer}\noptions edns0 trust-ad timeout:5 attempts:1\n`)
  const inside = `mount --bind ${resolvConf} /etc/resolv.conf && exec "$@"`
  const probe = ['posttls-finger', '-c', '-l', 'dane', '-L', 'summary,certmatch', `${domainOf(domain)}:${lab.port}`]
  const { stdout, stderr } = await run('unshare', ['-m', 'sh', '-c', inside, 'sh', ...probe], { timeout: TIMEOUT_MS })
  const said = stdout + stderr
  if (/lookup failed|TLSA lookup error/.test(said)) return 'lookup-failed'
  const [, trust] = /^posttls-finger: (\w+) TLS connection established to /m.exec(said) ?? []
  switch (trust) {
    case 'Verified':
      return 'authenticated'
    case 'Trusted':
      return 'authenticated-insecure-mx'
    case 'Untrusted':
      // With its number the verification was that of DANE, without it that of the roots, of which it has none.
      return /^posttls-finger: server certificate verification failed for .* num=\d+:/m.test(said)
        ? 'mismatch'
        : 'unauthenticated'
    case undefined:
      return 'no-starttls'
    default:
      throw new Error(said)
  }
}

/** `openssl s_client` with the host's record and base domain; only for hosts whose record can be used. */
export async function opensslFinding(lab: DanePostfixLab, host: DaneHost): Promise<DaneFinding> {
  const { domain, address, tlsa = '' } = host
  const probing = run(
    'openssl',
    [
      ...['s_client', '-connect', `${address}:${lab.port}`, '-starttls', 'smtp', '-brief', '-verify_return_error'],
      // RFC 7672 §3.1.1
      ...['-dane_ee_no_namechecks', '-dane_tlsa_domain', baseDomainOf(domain), '-dane_tlsa_rrdata', tlsa],
    ],
    { timeout: TIMEOUT_MS },
  )
  probing.child.stdin?.end()
  const { stdout, stderr } = await probing.catch((error: { readonly stdout?: string; readonly stderr?: string }) => ({
    stdout: error.stdout ?? '',
    stderr: error.stderr ?? String(error),
  }))
  const said = stdout + stderr
  if (/Didn't find STARTTLS/.test(said)) return 'no-starttls'
  if (/^Verification: OK$/m.test(said) && /matched .* certificate at depth/.test(said)) return 'authenticated'
  if (/certificate verify failed/.test(said)) return 'mismatch'
  throw new Error(`${domain.name}: ${said}`)
}
