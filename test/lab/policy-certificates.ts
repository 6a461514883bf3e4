/** Certificates that a policy host may show, good and bad, by what is wrong with them. Made when asked for. */
import { type Authority, createAuthority, type IssuedCertificate, selfSigned } from './ca.ts'

export type CertificateVariant =
  | 'good'
  | 'expired'
  | 'not-yet-valid'
  | 'self-signed'
  | 'unknown-authority'
  | 'incomplete-chain'
  | 'client-only'
  | 'wrong-name'
  | 'common-name-only'
  | 'address-only'
  /** `*.` in place of the first label: right. */
  | 'wildcard'
  /** `mta-*.` */
  | 'partial-wildcard'
  /** `*.*.` */
  | 'double-wildcard'
  /** One label short: the star would have to cover two. */
  | 'shallow-wildcard'
  /** The star is not the left-most label. */
  | 'inner-wildcard'

/** Key and chain for `node:tls`; everything but the variant is right. `host` has at least three labels. */
export async function certificateFor(
  host: string,
  variant: CertificateVariant,
  authority: Authority,
): Promise<{ readonly key: string; readonly cert: string }> {
  const { key, chain } = await issue(host, variant, authority)
  return { key, cert: chain }
}

async function issue(host: string, variant: CertificateVariant, authority: Authority): Promise<IssuedCertificate> {
  const [first = '', second = '', ...rest] = host.split('.')
  const above = [second, ...rest].join('.')
  const named = (name: string) => authority.issue({ names: [name], commonName: 'lab' })
  switch (variant) {
    case 'good':
      return named(host)
    case 'expired':
      return authority.issue({ names: [host], validFromDays: -30, validToDays: -1 })
    case 'not-yet-valid':
      return authority.issue({ names: [host], validFromDays: 1, validToDays: 30 })
    case 'self-signed':
      return selfSigned({ names: [host] })
    case 'unknown-authority':
      return (await createAuthority()).issue({ names: [host] })
    case 'incomplete-chain':
      return withoutIntermediates(await (await authority.intermediate()).issue({ names: [host] }))
    case 'client-only':
      return authority.issue({ names: [host], usage: 'clientAuth' })
    case 'wrong-name':
      return named(`other.${above}`)
    case 'common-name-only':
      return authority.issue({ commonName: host })
    case 'address-only':
      return authority.issue({ addresses: ['127.0.0.1'], commonName: host })
    case 'wildcard':
      return named(`*.${above}`)
    case 'partial-wildcard':
      return named(`${first.slice(0, -1)}*.${above}`)
    case 'double-wildcard':
      return named(`*.*.${rest.join('.')}`)
    case 'shallow-wildcard':
      return named(`*.${rest.join('.')}`)
    case 'inner-wildcard':
      return named(`${first}.*.${rest.join('.')}`)
  }
}

function withoutIntermediates(issued: IssuedCertificate): IssuedCertificate {
  return { ...issued, chain: issued.certificate }
}
