import assert from 'node:assert/strict'
import { test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { type DomainName, parseDomainName } from '../domain-name.ts'
import { type HostOrigin, referenceNames } from './reference-names.ts'

const nextHop = host('exchange.example.org')
const expandedNextHop = host('example.com')
const mx = host('mx20.example.com')
const expandedMx = host('mxbackup.example.net')
const secureMx: HostOrigin = { kind: 'mx', nextHop, expandedNextHop, secure: true }

test('DANE-73: a secure MX adds the next-hop domain and its expansion to the base domain', () => {
  covers('DANE-73', { observe: 'pure' })
  assert.deepEqual(names(secureMx, { name: mx, baseDomain: mx }), [
    'mx20.example.com',
    'exchange.example.org',
    'example.com',
  ])
  assert.deepEqual(names(secureMx, { name: mx, baseDomain: expandedMx }), [
    'mxbackup.example.net',
    'exchange.example.org',
    'example.com',
  ])
})

test('a next-hop domain that is no alias, or is the base domain itself, stands there once', () => {
  const plain: HostOrigin = { ...secureMx, expandedNextHop: nextHop }
  assert.deepEqual(names(plain, { name: mx, baseDomain: mx }), ['mx20.example.com', 'exchange.example.org'])
  assert.deepEqual(names(secureMx, { name: expandedNextHop, baseDomain: expandedNextHop }), [
    'example.com',
    'exchange.example.org',
  ])
})

test('DANE-74: behind an insecure MX the host name alone counts, never the next-hop domain', () => {
  covers('DANE-74', { observe: 'pure' })
  const insecure: HostOrigin = { ...secureMx, secure: false }
  assert.deepEqual(names(insecure, { name: mx, baseDomain: mx }), ['mx20.example.com'])
  assert.deepEqual(names(insecure, { name: mx, baseDomain: expandedMx }), ['mxbackup.example.net', 'mx20.example.com'])
})

test('DANE-75: without MX the base domain counts, and the original name when the base is its expansion', () => {
  covers('DANE-75', { observe: 'pure' })
  for (const origin of [
    { kind: 'implicit-mx', nextHop, secure: true },
    { kind: 'implicit-mx', nextHop, secure: false },
    { kind: 'route' },
  ] as const) {
    assert.deepEqual(names(origin, { name: nextHop, baseDomain: nextHop }), ['exchange.example.org'])
    assert.deepEqual(names(origin, { name: nextHop, baseDomain: expandedNextHop }), [
      'example.com',
      'exchange.example.org',
    ])
  }
})

function names(
  origin: HostOrigin,
  { name, baseDomain }: { readonly name: DomainName; readonly baseDomain: DomainName },
) {
  return referenceNames({ origin, name, baseDomain })
}

function host(text: string): DomainName {
  const parsed = parseDomainName(text)
  assert(parsed.ok, text)
  return parsed.value
}
