/** What scripts and owners rely on is written down: every code of advice, every conclusion and exit code. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const ROOM = join(ROOT, 'packages/policy/src/explain')
const page = readFileSync(join(ROOT, 'docs/operating/explain.md'), 'utf8')

test('every code of advice is on the page, and none that does not exist', () => {
  const sources = readdirSync(ROOM).filter((file) => file.endsWith('-advice.ts'))
  assert.ok(sources.length >= 7)
  const written = sources.flatMap((file) =>
    [...readFileSync(join(ROOM, file), 'utf8').matchAll(/\bcode: '([a-z0-9-]+)'/g)].map(([, code]) => code ?? ''),
  )
  for (const code of new Set(written)) assert.ok(page.includes(`\`${code}\``), code)
  const [, table = ''] = page.split('## Advice, by code')
  const promised = [...table.matchAll(/`((?:record|policy|mx)-[a-z-]+)`/g)].map(([, code]) => code ?? '')
  const made = new Set([...written, ...MADE_BY_REASON])
  for (const code of promised) assert.ok(made.has(code), `${code} is promised and never given`)
})

/** Codes that are put together from the reason of a record or of a fetch. */
const MADE_BY_REASON = [
  ...['several-records', 'not-ascii', 'malformed-field', 'missing-id', 'invalid-id'].map((kind) => `record-${kind}`),
  ...['policy-host-name', 'policy-invalid-mode'],
]

test('every conclusion is on the page with its exit code', () => {
  const kinds = [...readFileSync(join(ROOM, 'explanation.ts'), 'utf8').matchAll(/^ {2}\| '([a-z]+)'$/gm)]
  assert.equal(kinds.length, 5)
  for (const [, kind] of kinds) assert.match(page, new RegExp(`^\\| [013] \\| .*\`${kind}\``, 'm'))
})
