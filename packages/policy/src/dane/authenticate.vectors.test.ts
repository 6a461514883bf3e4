/**
 * What other implementations expect of DANE authentication and of path validation, read from beside the checkout;
 * without them nothing is tested here, and the output says so. Where we differ, the deciding section stands beside.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { authenticateByTlsa } from './authenticate.ts'
import { DEFAULT_DIGESTS, digestAgility } from './digest-agility.ts'
import type { DaneAuthentication, TlsaRecord } from './facts.ts'
import { parseTlsaText, usableTlsa } from './tlsa-record.ts'

const FOLDER = new URL('../../../../../shared/vectors/', import.meta.url)
const skip = existsSync(FOLDER) ? false : 'no ../shared/vectors beside the checkout'

function read(file: string): { readonly cases: readonly unknown[] } {
  return JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8'))
}

interface DaneCase {
  readonly id: string
  readonly tlsa?: readonly string[]
  readonly chain_pem?: readonly string[]
  readonly reference_names?: readonly string[]
  readonly time: string | null
  readonly expected: { readonly ok?: boolean }
}

interface LimboCase {
  readonly id: string
  readonly trusted: readonly string[]
  readonly intermediates: readonly string[]
  readonly leaf: string
  readonly time: string | null
  readonly peer: { readonly kind: string; readonly value: string } | null
  readonly expected: 'SUCCESS' | 'FAILURE'
  readonly openssl_differs?: boolean
}

/** RFC 7672 §3.1.3: usages 0 and 1 are unusable for SMTP, so there is nothing to authenticate by. */
const PKIX_USAGES = new Set(['dane-111', 'dane-112'])

function derOf(pem: string): Uint8Array {
  return Buffer.from(pem.replace(/-----[^-]+-----|\s/g, ''), 'base64')
}

function chainOf(pems: readonly string[]): readonly { readonly der: Uint8Array }[] {
  return pems.map((pem) => ({ der: derOf(pem) }))
}

function nameOf(text: string): DomainName | undefined {
  const name = parseDomainName(text)
  return name.ok ? name.value : undefined
}

function usableOf(texts: readonly string[]): readonly TlsaRecord[] {
  const usable = texts.flatMap((text) => {
    const parsed = parseTlsaText(text)
    const record = parsed.ok ? usableTlsa(parsed.value, { digests: DEFAULT_DIGESTS }) : undefined
    return record?.ok ? [record.value] : []
  })
  return digestAgility(usable, DEFAULT_DIGESTS)
}

function verdict(authentication: DaneAuthentication): string {
  return authentication.kind === 'authenticated' ? 'authenticated' : JSON.stringify(authentication.reasons)
}

describe('DANE vectors: TLSA records, chains and names', { skip }, () => {
  const cases = skip === false ? (read('dane.json').cases as readonly DaneCase[]) : []
  for (const { id, tlsa = [], chain_pem = [], reference_names, time, expected } of cases) {
    // Those without a chain are about what to demand, not about who the peer is.
    if (expected.ok === undefined) continue
    test(`${id}: ${expected.ok && !PKIX_USAGES.has(id) ? 'authenticated' : 'refused'}`, () => {
      const authentication = authenticateByTlsa({
        usable: usableOf(tlsa),
        referenceNames: (reference_names ?? []).flatMap((name) => nameOf(name) ?? []),
        chain: chainOf(chain_pem),
        now: time === null ? Date.now() : Date.parse(time),
      })
      const expectation = expected.ok && !PKIX_USAGES.has(id)
      assert.equal(authentication.kind === 'authenticated', expectation, verdict(authentication))
    })
  }
})

/**
 * Path validation for TLS clients, asked as DANE-TA: each trusted root is published in full (`2 0 0`) and not sent.
 * Cases that ask for an address instead of a name need no name here; those without a peer ask for none.
 */
const ANCHOR_ALONE = 'RFC 5280 §6.1: what the anchor says of its own issuer is no part of the path that it anchors'
/** By the id without its first part. */
const DIFFERENT: ReadonlyMap<string, string> = new Map([
  ['max-chain-depth-0-exhausted', 'a setting of the other validator: RFC 5280 §6.1.1 has no such input'],
  ['max-chain-depth-1-exhausted', 'a setting of the other validator: RFC 5280 §6.1.1 has no such input'],
  ['san::ip-in-dns', 'RFC 7672 §3.2.2: reference identifiers are names, an address is never asked for'],
  ['aki::cross-signed-root-missing-aki', ANCHOR_ALONE],
  ['aki::root-with-aki-authoritycertissuer', ANCHOR_ALONE],
  ['aki::root-with-aki-authoritycertserialnumber', ANCHOR_ALONE],
  ['aki::root-with-aki-all-fields', ANCHOR_ALONE],
  ['aki::root-with-aki-ski-mismatch', ANCHOR_ALONE],
])

describe('limbo vectors: path validation', { skip }, () => {
  const cases = skip === false ? (read('limbo_subset.json').cases as readonly LimboCase[]) : []
  for (const limbo of cases.filter(({ openssl_differs }) => openssl_differs !== true)) {
    const different = DIFFERENT.get(limbo.id.slice(limbo.id.indexOf('::') + 2))
    test(different === undefined ? `${limbo.id}: ${limbo.expected}` : `${limbo.id}: SUCCESS, for ${different}`, () => {
      const { ok, why } = accepts(limbo)
      assert.equal(ok, limbo.expected === 'SUCCESS' || different !== undefined, why)
    })
  }
})

function accepts({ trusted, intermediates, leaf, time, peer }: LimboCase): {
  readonly ok: boolean
  readonly why: string
} {
  const usable = trusted.map(
    (root) =>
      ({ usage: 'dane-ta', selector: 'cert', matchingType: 'full', associationData: derOf(root) }) satisfies TlsaRecord,
  )
  const name = peer?.kind === 'DNS' ? nameOf(peer.value) : undefined
  const authentication = authenticateByTlsa({
    usable,
    referenceNames: name === undefined ? [] : [name],
    chain: chainOf([leaf, ...intermediates]),
    now: time === null ? Date.now() : Date.parse(time),
  })
  const why = verdict(authentication)
  if (authentication.kind === 'authenticated') return { ok: true, why }
  const nameMatters = peer?.kind === 'DNS'
  return { ok: !nameMatters && authentication.reasons.every(({ kind }) => kind === 'name-mismatch'), why }
}
