import assert from 'node:assert/strict'
import { test } from 'node:test'
import { judgeNodeVersion } from './node-version.ts'

for (const [version, verdict] of [
  ['24.21.0', { kind: 'outdated', fixedIn: '24.22.1' }],
  ['24.22.0', { kind: 'outdated', fixedIn: '24.22.1' }],
  ['24.22.1', { kind: 'fixed' }],
  ['24.30.0', { kind: 'fixed' }],
  ['25.9.0', { kind: 'unsupported', fixedIn: '26.12.1' }],
  ['26.10.0', { kind: 'outdated', fixedIn: '26.12.1' }],
  ['v26.12.1', { kind: 'fixed' }],
  ['26.13.0-nightly', { kind: 'fixed' }],
  ['27.0.0', { kind: 'fixed' }],
  ['20.20.2', { kind: 'unsupported', fixedIn: '26.12.1' }],
  ['', { kind: 'unreadable' }],
] as const) {
  test(`Node ${version} is ${verdict.kind}`, () => assert.deepEqual(judgeNodeVersion(version), verdict))
}
