import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { ENDPOINTS } from './endpoints.ts'
import { openApiDocument, openApiText } from './openapi.ts'

test('somebody else takes the document for OpenAPI 3.1', async () => {
  const validator = new Validator()
  const verdict = await validator.validate(JSON.parse(openApiText()))
  assert.deepEqual(verdict.errors ?? [], [])
  assert.equal(verdict.valid, true)
  assert.equal(validator.version, '3.1')
})

test('it has every endpoint with its role', () => {
  const { paths } = openApiDocument() as { readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>> }
  const operations = Object.values(paths).flatMap((methods) => Object.values(methods))
  assert.equal(operations.length, ENDPOINTS.length)
})

test('docs/openapi.json is what the relay serves', () => {
  const kept = readFileSync(new URL('../../../../docs/openapi.json', import.meta.url), 'utf8')
  assert.equal(kept, openApiText(), 'run: pnpm run docs')
})
