/**
 * Random chains with TLSA records, most of them wrong somewhere: what `dane-differential.test.ts` asks both sides.
 * The seed fixes what is changed; keys and serial numbers are new in each run.
 */
import { X509Certificate } from 'node:crypto'
import type { TlsaRecordData } from '../../packages/policy/src/dns/resolver.ts'
import { type DomainName, parseDomainName } from '../../packages/policy/src/domain-name.ts'
import { type CertificateKey, createKey, simpleName, type WrittenCertificate } from '../lab/certificate-writer.ts'
import { NOW, tlsaAssociation, type WrittenOptions, writeCa, writeLeaf } from '../lab/written-chain.ts'
import type { SeededRandom } from '../soak/random.ts'
import {
  CERTIFICATE_CHANGES,
  type ChangeContext,
  type Draft,
  flipped,
  type Pool,
  pick,
} from './dane-certificate-changes.ts'

export interface DaneCase {
  readonly changes: readonly string[]
  /** As sent. */
  readonly chain: readonly Uint8Array[]
  readonly published: readonly TlsaRecordData[]
  readonly names: readonly [DomainName, ...DomainName[]]
  /** UTC milliseconds. */
  readonly now: number
}

export function createPool(): Pool {
  const several = (count: number, make: () => CertificateKey) => Array.from({ length: count }, make)
  return {
    strong: [...several(16, () => createKey('p256')), ...several(2, () => createKey('p384')), createKey('ed25519')],
    rsa: several(3, () => createKey('rsa2048')),
    weak: [createKey('rsa1024'), createKey('p192')],
  }
}

export function makeCase(random: SeededRandom, pool: Pool): DaneCase {
  const context = { random, pool }
  const { path, changes } = makePath(context)
  const sent = arrange(path, context)
  const published = publish({ path, strangers: sent.strangers }, context)
  return {
    changes: [...changes, ...sent.changes, ...published.changes],
    chain: sent.chain.map(({ der }) => der),
    published: published.records,
    names: referenceNames(random),
    now: NOW,
  }
}

function referenceNames(random: SeededRandom): DaneCase['names'] {
  const host = domain('mx.example.com')
  return random.chance(0.2) ? [host, domain('example.com')] : [host]
}

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  if (!name.ok) throw new Error(text)
  return name.value
}

interface Path {
  /** Leaf first, root last. */
  readonly path: readonly WrittenCertificate[]
  readonly changes: readonly string[]
}

/** Few changes each: with many, every case is refused for several reasons and nothing is learnt. */
const CHANGE_COUNTS = [0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3]

function makePath(context: ChangeContext): Path {
  const { random } = context
  const drafts = makeDrafts(context)
  const changes: string[] = []
  for (let count = pick(random, CHANGE_COUNTS); count > 0; count -= 1) {
    const [name, apply] = pick(random, pick(random, CERTIFICATE_CHANGES))
    const depth = random.between(0, drafts.length - 1)
    const draft = drafts[depth]
    if (draft === undefined) continue
    apply(draft, context)
    changes.push(`${name} @${depth}`)
  }
  return { path: writePath(drafts, context), changes }
}

function makeDrafts({ random, pool }: ChangeContext): readonly Draft[] {
  const subjects = ['leaf', 'Spelled so', 'Second CA', 'Third CA', 'Fourth CA'].map((name) => simpleName(name))
  const depth = random.between(1, 4)
  return subjects.slice(0, depth + 1).map((subject, at) => ({
    role: at === 0 ? 'leaf' : 'ca',
    issuerSubject: subjects[Math.min(at + 1, depth)] ?? subject,
    options: { subject, key: pick(random, pool.strong) },
  }))
}

function writePath(drafts: readonly Draft[], { random }: ChangeContext): readonly WrittenCertificate[] {
  const path: WrittenCertificate[] = []
  for (const { role, options } of drafts.toReversed()) {
    const issuer = path[0]
    const fitting = fittingAlgorithm(issuer === undefined ? options : { ...options, issuer })
    path.unshift(readable((tamper) => (role === 'leaf' ? writeLeaf : writeCa)({ ...fitting, ...tamper }), random))
  }
  return path
}

/** An algorithm that the signing key cannot make is no change to test: nothing could be signed. */
function fittingAlgorithm({ algorithm, outerAlgorithm, ...options }: WrittenOptions): WrittenOptions {
  const signer = options.signer ?? options.issuer?.key ?? options.key
  const type = signer?.privateKey.asymmetricKeyType
  const fits = (name: string) =>
    (type === 'ec' && name.startsWith('ecdsa')) || (type === 'rsa' && name.startsWith('rsa'))
  return {
    ...options,
    ...(algorithm !== undefined && fits(algorithm) ? { algorithm } : {}),
    ...(outerAlgorithm !== undefined ? { outerAlgorithm } : {}),
  }
}

/** A certificate that OpenSSL cannot parse ends the handshake and reaches nobody's judgement. */
function readable(
  write: (tamper: Pick<WrittenOptions, 'tamper'>) => WrittenCertificate,
  random: SeededRandom,
): WrittenCertificate {
  const written = write({})
  if (parses(written.der)) return written
  // Another octet, a few times; then none.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const again = write({ tamper: (tbs) => flipped(tbs, random) })
    if (parses(again.der)) return again
  }
  return write({ tamper: (tbs) => tbs })
}

export function parses(der: Uint8Array): boolean {
  try {
    return Buffer.compare(new X509Certificate(der).raw, der) === 0
  } catch {
    return false
  }
}

interface Sent {
  readonly chain: readonly WrittenCertificate[]
  readonly strangers: readonly WrittenCertificate[]
  readonly changes: readonly string[]
}

type Arrangement = readonly [
  name: string,
  (
    chain: WrittenCertificate[],
    path: readonly WrittenCertificate[],
    context: ChangeContext,
  ) => readonly WrittenCertificate[],
]

const ARRANGEMENTS: readonly Arrangement[] = [
  ['root not sent', (chain) => chain.slice(0, -1)],
  ['leaf alone', (chain) => chain.slice(0, 1)],
  ['one left out', (chain, _path, { random }) => without(chain, random.between(1, chain.length - 1))],
  ['leaf left out', (chain) => (chain.length > 1 ? chain.slice(1) : chain)],
  ['out of order', ([leaf, ...rest], _path, { random }) => (leaf ? [leaf, ...shuffled(rest, random)] : [])],
  ['leaf not first', (chain, _path, { random }) => shuffled(chain, random)],
  ['one twice', (chain, _path, { random }) => [...chain, pick(random, chain)]],
  [
    'a stranger',
    (chain, _path, context) => inserted(chain, writeCa({ key: pick(context.random, context.pool.strong) }), context),
  ],
  ['a namesake with another key', (chain, path, context) => inserted(chain, namesake(path, context), context)],
  ['a namesake with the same key', (chain, path, context) => inserted(chain, twin(path, context), context)],
  ['a leaf below the leaf', (chain, _path, context) => [belowLeaf(chain, context), ...chain]],
  ['a flipped octet', (chain, _path, context) => withFlippedOctet(chain, context)],
]

function arrange(path: readonly WrittenCertificate[], context: ChangeContext): Sent {
  const { random } = context
  let chain: readonly WrittenCertificate[] = path
  const changes: string[] = []
  for (let count = pick(random, [0, 0, 0, 1, 1, 1, 2]); count > 0; count -= 1) {
    const [name, apply] = pick(random, ARRANGEMENTS)
    const changed = apply([...chain], path, context)
    if (changed.length === 0) continue
    chain = changed
    changes.push(name)
  }
  return { chain, strangers: [writeCa({ key: pick(random, context.pool.strong) })], changes }
}

function without(chain: readonly WrittenCertificate[], at: number): readonly WrittenCertificate[] {
  return chain.length > 1 ? chain.toSpliced(at, 1) : chain
}

function shuffled<T>(list: readonly T[], random: SeededRandom): readonly T[] {
  return list
    .map((one) => [random.next(), one] as const)
    .toSorted(([one], [other]) => one - other)
    .map(([, one]) => one)
}

function inserted(
  chain: readonly WrittenCertificate[],
  one: WrittenCertificate,
  { random }: ChangeContext,
): readonly WrittenCertificate[] {
  return chain.toSpliced(random.between(1, chain.length), 0, one)
}

function aCaOf(path: readonly WrittenCertificate[], { random }: ChangeContext): WrittenCertificate {
  return pick(random, path.slice(1))
}

/** Same name, other key: with and without the key identifier that would tell them apart. */
function namesake(path: readonly WrittenCertificate[], context: ChangeContext): WrittenCertificate {
  const { random, pool } = context
  const { subject } = aCaOf(path, context)
  const extensions = random.chance(0.5) ? { subjectKeyId: null } : {}
  return writeCa({ subject, key: pick(random, pool.strong), extensions })
}

/** Same name, same key, another issuer or other dates: as after a renewal or a cross-signature. */
function twin(path: readonly WrittenCertificate[], context: ChangeContext): WrittenCertificate {
  const { random, pool } = context
  const { subject, key } = aCaOf(path, context)
  const expired = random.chance(0.4) ? { notAfter: NOW - 86_400_000, notBefore: NOW - 10 * 86_400_000 } : {}
  return random.chance(0.5)
    ? writeCa({ subject, key, ...expired })
    : writeCa({ subject, key, issuer: writeCa({ key: pick(random, pool.strong) }), ...expired })
}

function belowLeaf(chain: readonly WrittenCertificate[], { random, pool }: ChangeContext): WrittenCertificate {
  const [issuer] = chain
  return writeLeaf({ key: pick(random, pool.strong), subject: simpleName('below'), ...(issuer ? { issuer } : {}) })
}

function withFlippedOctet(
  chain: readonly WrittenCertificate[],
  { random }: ChangeContext,
): readonly WrittenCertificate[] {
  const at = random.between(0, chain.length - 1)
  const one = chain[at]
  const der = one && flipped(one.der, random)
  return one && der && parses(der) ? chain.toSpliced(at, 1, { ...one, der }) : chain
}

interface Publishable {
  readonly path: readonly WrittenCertificate[]
  readonly strangers: readonly WrittenCertificate[]
}

interface Published {
  readonly records: readonly TlsaRecordData[]
  readonly changes: readonly string[]
}

const SELECTORS = ['cert', 'spki'] as const
const MATCHING_TYPES = ['full', 'sha-256', 'sha-512'] as const

function publish({ path, strangers }: Publishable, { random }: ChangeContext): Published {
  const count = pick(random, [1, 1, 1, 2, 3])
  const made = Array.from({ length: count }, () => {
    const stranger = random.chance(0.12)
    const depth = random.between(0, path.length - 1)
    const target = (stranger ? strangers[0] : path[depth]) ?? path[0]
    if (target === undefined) throw new Error('a path has a leaf')
    // Mostly the usage that fits the depth.
    const usage = random.chance(0.9) ? (depth === 0 ? 3 : 2) : pick(random, [0, 1, 2, 3, 4])
    const selector = random.between(0, 1)
    const matchingType = random.between(0, 2)
    const kind = { selector: pickAt(SELECTORS, selector), matchingType: pickAt(MATCHING_TYPES, matchingType) }
    const right = tlsaAssociation(target, kind)
    const broken = random.chance(0.06) ? breakData(right, random) : undefined
    const label = `${usage} ${selector} ${matchingType} ${stranger ? 'of a stranger' : `@${depth}`}`
    return {
      record: { usage, selector, matchingType, associationData: broken ?? right },
      label: broken === undefined ? label : `${label} broken`,
    }
  })
  return { records: made.map(({ record }) => record), changes: made.map(({ label }) => label) }
}

function pickAt<T>(list: readonly [T, ...T[]], at: number): T {
  return list[at] ?? list[0]
}

function breakData(octets: Uint8Array, random: SeededRandom): Uint8Array {
  return random.chance(0.5) ? flipped(octets, random) : octets.subarray(0, random.between(0, octets.length - 1))
}
