/** What tests about overrides have in common. */
import assert from 'node:assert/strict'
import { type DomainName, parseDomainName, type WaiveOverride } from '@hermetic/policy'

export const OTHER_DOMAIN = 'sub.other.test'
export const OTHER_MX = 'mx.sub.other.test'

export function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok, text)
  return name.value
}

export function waiver(name: string, until: number, ...mechanisms: WaiveOverride['mechanisms']): WaiveOverride {
  return { ...{ kind: 'waive', domain: domain(name), mechanisms }, ...{ reason: 'a test', author: 'the lab', until } }
}
