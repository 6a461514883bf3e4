/**
 * Writes the generated pages of `docs/`: configuration, metrics, log events, and the conformance table through its
 * own tool. `--check` writes nothing and exits with 1 when a page is not what it would write, so that documents
 * cannot fall behind the code.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openApiText } from '../packages/mta/src/api/openapi.ts'
import { configReference } from '../packages/mta/src/config/reference.ts'
import { logEventsReference, metricsReference } from '../packages/mta/src/observability/reference.ts'

const PAGES = {
  'docs/configuration.md': configReference,
  'docs/metrics.md': metricsReference,
  'docs/log-events.md': logEventsReference,
  'docs/openapi.json': openApiText,
} as const

function current(file: URL): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}

const { values } = parseArgs({ options: { check: { type: 'boolean', default: false } } })
const stale: string[] = []
for (const [page, write] of Object.entries(PAGES)) {
  const file = new URL(`../${page}`, import.meta.url)
  const text = write()
  if (current(file) === text) continue
  stale.push(page)
  if (!values.check) writeFileSync(file, text)
}

if (values.check && stale.length > 0) {
  console.error(`Out of date: ${stale.join(', ')}. Run: pnpm run docs`)
  process.exitCode = 1
} else {
  console.log(stale.length === 0 ? 'The generated pages are up to date.' : `Written: ${stale.join(', ')}`)
}

// The table's tool checks the claims of the tests as well, so it speaks for itself. `--check` has its own step.
if (!values.check) await import('./conformance.ts')
