/**
 * Writes `docs/conformance/table.md` from the items, the tests' claims and the waivers; with `--check` it only
 * compares. Exits 1 when a claim or waiver does not hold, or when the table is out of date.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { claimsOf, judgeClaims, judgeWaivers, parseWaivers } from '../test/conformance/claims.ts'
import { readItems } from '../test/conformance/covers.ts'
import { renderTable } from '../test/conformance/table.ts'
import { repositoryFiles } from '../test/tidy/sources.ts'

const root = new URL('../', import.meta.url)
const TABLE = 'docs/conformance/table.md'

const items = readItems()
const scanned = repositoryFiles()
  .filter((file) => /\.(?:test|contract)\.ts$/.test(file) && !file.startsWith('test/conformance/'))
  .map((file) => claimsOf(file, readFileSync(new URL(file, root), 'utf8')))
const claims = scanned.flatMap((file) => file.claims)
const waivers = parseWaivers(readFileSync(new URL('docs/conformance/waivers.md', root), 'utf8'))
const findings = [
  ...scanned.flatMap((file) => file.findings),
  ...judgeClaims(claims, items),
  ...judgeWaivers(waivers, claims, items),
]

const table = renderTable(items, claims, waivers)
const covered = new Set(claims.map(({ id }) => id)).size
const summary = `conformance: ${items.length} items, ${covered} covered, ${waivers.length} waived`

if (process.argv.includes('--check')) {
  if (table !== currentTable()) findings.push(`${TABLE} is out of date: run pnpm docs and commit it`)
} else {
  writeFileSync(new URL(TABLE, root), table)
}
for (const finding of findings) console.error(finding)
if (findings.length > 0) {
  console.error(`conformance: ${findings.length} findings`)
  process.exitCode = 1
} else {
  console.log(summary)
}

function currentTable(): string {
  try {
    return readFileSync(new URL(TABLE, root), 'utf8')
  } catch {
    return ''
  }
}
