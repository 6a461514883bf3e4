/** Rules about `[api]`: nobody gets in without a token, and no token crosses a network in clear. Pure. */
import type { ConfigPath } from './config-path.ts'
import type { Finding } from './finding.ts'
import { isLoopback } from './loopback.ts'
import type { ReadableConfig } from './salvage.ts'

const at = (field: string): ConfigPath => ['api', field]

export function apiFindings({ api }: ReadableConfig): readonly Finding[] {
  const { listen, token_file: tokens, cert_file: certificate, key_file: key, allow_cleartext: clear } = api ?? {}
  const findings: Finding[] = []
  const pair = [at('cert_file'), at('key_file')]
  if (certificate !== undefined && key === undefined) {
    findings.push({ path: at('cert_file'), wrong: 'has no private key', remedy: 'write key_file too', read: pair })
  }
  if (key !== undefined && certificate === undefined) {
    findings.push({ path: at('key_file'), wrong: 'has no certificate', remedy: 'write cert_file too', read: pair })
  }
  if (listen === undefined) return findings
  if (tokens === undefined) {
    const remedy = 'write token_file = "./api-tokens.json" in [api], and make one: hermetic api token add NAME'
    findings.push({ path: at('listen'), wrong: 'has no token_file', remedy, read: [at('listen'), at('token_file')] })
  }
  const { address } = listen
  if (certificate !== undefined || clear === true || address === undefined || isLoopback(address)) return findings
  const wrong = `would send tokens in clear over a network (${address})`
  const remedy = 'write cert_file and key_file, or allow_cleartext = true where something else protects it'
  const read = [at('listen'), at('cert_file'), at('allow_cleartext')]
  return [...findings, { path: at('listen'), wrong, remedy, read }]
}
