/**
 * Our DANE verdict beside OpenSSL's on random chains, TLSA records and changes (RFC 7671, RFC 7672): whatever OpenSSL
 * refuses, we refuse. What only we refuse is counted by reason, and each reason names the section that decides.
 *
 * 20,000 cases; `DANE_CASES=100000` asks more, `DANE_SEED` repeats a run (with new keys).
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { authenticateByTlsa } from '../../packages/policy/src/dane/authenticate.ts'
import { DEFAULT_DIGESTS, digestAgility } from '../../packages/policy/src/dane/digest-agility.ts'
import type { DaneAuthentication } from '../../packages/policy/src/dane/facts.ts'
import { usableTlsa } from '../../packages/policy/src/dane/tlsa-record.ts'
import { SeededRandom } from '../soak/random.ts'
import { createPool, type DaneCase, makeCase } from './dane-cases.ts'
import { asLine, type DaneOracle, type OracleVerdict, startOracle } from './dane-oracle.ts'

const CASES = Number(process.env['DANE_CASES'] ?? 20_000)
const SEED = Number(process.env['DANE_SEED'] ?? Date.now() % 2 ** 32)
/** Questions that the oracle has not answered yet. */
const WINDOW = 200
const CASES_BETWEEN_BREATHS = 5
const SHOWN_VIOLATIONS = 5

/** What OpenSSL lets pass and we do not, by the reason that we give, with what decides it. */
const STRICTER: Readonly<Record<string, string>> = {
  'malformed-certificate':
    'RFC 5280 §4.2 and its extensions: ours are all read; OpenSSL reads some only when it needs them',
  'unknown-critical-extension': 'RFC 5280 §4.2: critical policyConstraints; OpenSSL knows and ignores them by default',
  'certificate-expired@anchor': 'RFC 5280 §4.1.2.5: dates of an anchor; OpenSSL looks at a self-signed one only',
  'certificate-not-yet-valid@anchor': 'RFC 5280 §4.1.2.5: the same',
  'signature-algorithm': 'RFC 8446 §4.2.3: no SHA-224',
  'not-a-ca': 'RFC 5280 §4.2.1.9: OpenSSL takes keyUsage for basicConstraints in an anchor',
  'nameless-issuer': 'RFC 5280 §4.1.2.4: an issuer has a name',
  'no-tlsa-match without a second choice':
    'RFC 5280 §6.1 leaves path building open: OpenSSL passes over issuers, or gives up, where it cannot read',
  'no-tlsa-match of a weak bare key': 'RFC 8446 §4.2.3: OpenSSL measures neither a bare key nor the digest under it',
  'no-tlsa-match beside PKIX-TA':
    'RFC 7672 §3.1.3: unusable; OpenSSL takes the certificate of a 0 0 0 record as if it were sent',
  'issuer-key': 'RFC 5280 §6.1 leaves path building open: no second choice is made for a key that is not usable',
  'name-constraint-unsupported':
    'RFC 5280 §4.2.1.10: constraints that we do not compare; OpenSSL compares mailboxes and URIs',
  'name-excluded': 'RFC 5280 §4.2.1.10: a wildcard stands for an excluded name; OpenSSL compares its text',
}

interface Tally {
  readonly agreed: { accepted: number; readonly refused: Map<string, number> }
  readonly stricter: Map<string, number>
  readonly unexplained: string[]
  readonly violations: string[]
}

test(`nothing that OpenSSL refuses is accepted: ${CASES} cases`, async (context) => {
  const tally: Tally = {
    agreed: { accepted: 0, refused: new Map() },
    stricter: new Map(),
    unexplained: [],
    violations: [],
  }
  const started = performance.now()
  const version = await askAll(tally)
  const seconds = (performance.now() - started) / 1000
  report(
    tally,
    (line) => context.diagnostic(line),
    `${version}, seed ${SEED}, ${CASES} cases in ${seconds.toFixed(1)} s`,
  )
  assert.deepEqual(tally.violations.slice(0, SHOWN_VIOLATIONS), [], `${tally.violations.length} accepted by us alone`)
  assert.deepEqual(tally.unexplained.slice(0, SHOWN_VIOLATIONS), [], 'refused by us alone, and no section says why')
  // A run that hardly ever accepts, or hardly ever refuses, would show nothing.
  assert.ok(tally.agreed.accepted > CASES * 0.3, 'too few cases are accepted by both')
  assert.ok(tally.agreed.refused.size > 10 || CASES < 5000, 'too few reasons of OpenSSL are met')
})

async function askAll(tally: Tally): Promise<string> {
  const oracle = await startOracle()
  try {
    await askEach(oracle, tally)
    return oracle.version
  } finally {
    await oracle.close()
  }
}

async function askEach(oracle: DaneOracle, tally: Tally): Promise<void> {
  const [random, pool] = [new SeededRandom(SEED), createPool()]
  const open = new Set<Promise<void>>()
  for (let made = 0; made < CASES; made += 1) {
    const question = makeCase(random, pool)
    const ours = judge(question)
    const answered = verdictOf(oracle, question, ours).then((theirs) => compare({ question, ours, theirs }, tally))
    open.add(answered)
    void answered.then(() => open.delete(answered))
    // The pipes move only while we wait.
    if (made % CASES_BETWEEN_BREATHS === 0) await new Promise((resolve) => setImmediate(resolve))
    if (open.size >= WINDOW) await Promise.race(open)
  }
  await Promise.all(open)
}

/**
 * RFC 7672 §3.1.3: PKIX-TA and PKIX-EE are unusable for SMTP, and no MTA hands them to OpenSSL. When it stumbles over
 * the certificate in such a record (it takes it as if it were sent), it is asked again without them.
 */
async function verdictOf(oracle: DaneOracle, question: DaneCase, ours: DaneAuthentication): Promise<OracleVerdict> {
  const theirs = await oracle.ask(question)
  const published = question.published.filter(({ usage }) => usage !== 0 && usage !== 1)
  const again = !theirs.ok && ours.kind === 'authenticated' && published.length < question.published.length
  return again ? oracle.ask({ ...question, published }) : theirs
}

function judge({ published, names, chain, now }: DaneCase): DaneAuthentication {
  const records = published.flatMap((record) => {
    const usable = usableTlsa(record, { digests: DEFAULT_DIGESTS })
    return usable.ok ? [usable.value] : []
  })
  const usable = digestAgility(records, DEFAULT_DIGESTS)
  return authenticateByTlsa({ usable, referenceNames: names, chain: chain.map((der) => ({ der })), now })
}

interface Comparison {
  readonly question: DaneCase
  readonly ours: DaneAuthentication
  readonly theirs: OracleVerdict
}

function compare(comparison: Comparison, tally: Tally): void {
  const { question, ours, theirs } = comparison
  // RFC 7672 §3.1.1: DANE-EE compares and nothing else, so only there the verdict of level 0 counts.
  const byLeaf = ours.kind === 'authenticated' && ours.record.usage === 'dane-ee'
  const accepted = theirs.ok && (!theirs.weakLeaf || byLeaf)
  if (ours.kind === 'authenticated') {
    if (accepted) tally.agreed.accepted += 1
    else tally.violations.push(`${theirs.text} at ${theirs.depth}: ${question.changes.join(', ')}\n${asLine(question)}`)
    return
  }
  if (!accepted) {
    count(tally.agreed.refused, theirs.weakLeaf ? 'EE certificate key too weak' : theirs.text)
    return
  }
  const explained = reasonsOf(ours, comparison).find((reason) => reason in STRICTER)
  if (explained !== undefined) count(tally.stricter, explained)
  else tally.unexplained.push(`${JSON.stringify(ours.reasons)}: ${question.changes.join(', ')}\n${asLine(question)}`)
}

type Failure = DaneAuthentication & { readonly kind: 'failed' }

/**
 * Our reasons, told apart by what was done: dates count as those of the anchor where OpenSSL's chain ends too, and an
 * anchor may only be missed where there was something to miss it for.
 */
function reasonsOf(
  { reasons }: Failure,
  { question, theirs }: Pick<Comparison, 'question' | 'theirs'>,
): readonly string[] {
  const changed = (...words: readonly string[]) =>
    question.changes.some((one) => words.some((word) => one.includes(word)))
  return reasons.map((reason) => {
    if (reason.kind === 'path-invalid') return reason.code
    if ('depth' in reason) return reason.depth === theirs.lastDepth ? `${reason.kind}@anchor` : reason.kind
    if (changed('key: weak', 'sha224', 'sha1', 'md5') && changed('2 1 0 ')) return `${reason.kind} of a weak bare key`
    if (changed('0 0 0 ')) return `${reason.kind} beside PKIX-TA`
    return changed('tampered', 'flipped', 'broken', 'namesake') ? `${reason.kind} without a second choice` : reason.kind
  })
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

function report(tally: Tally, print: (line: string) => void, headline: string): void {
  const sorted = (counts: Map<string, number>) => [...counts].toSorted(([, one], [, other]) => other - one)
  print(headline)
  print(`accepted by both: ${tally.agreed.accepted}`)
  for (const [text, times] of sorted(tally.agreed.refused)) print(`refused by both: ${times} ${text}`)
  for (const [reason, times] of sorted(tally.stricter))
    print(`refused by us alone: ${times} ${reason}: ${STRICTER[reason]}`)
  print(`accepted by us alone: ${tally.violations.length}`)
}
