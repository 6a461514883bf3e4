/** Asks DNS for key records and says in words whether verifiers will find the key that signs (RFC 6376 §6.1.2). */
import { type DnsResolver, type NameServer, parseOwnerName } from '@hermetic/policy'
import { judgeKeyRecord, keyRecordName, type RecordFault } from '../signing/key-record.ts'
import type { SigningKey } from '../signing/signing-key.ts'
import { failureWords, nameServers, openDoctorResolver } from './doctor/gather-network.ts'
import { UserError } from './verb.ts'

interface CheckedKey {
  readonly domain: string
  readonly selector: string
  readonly key: SigningKey
}

interface Finding {
  readonly fits: boolean
  readonly text: string
}

export async function checkKeyRecords(
  keys: readonly CheckedKey[],
  configured: readonly NameServer[],
): Promise<{ readonly lines: readonly string[]; readonly fits: boolean }> {
  const found = await nameServers(configured)
  if ('problem' in found) throw new UserError(`no name server can be asked: ${found.problem}`)
  const resolver = openDoctorResolver(found.servers)
  const findings: Finding[] = []
  for (const key of keys) findings.push(...(await checked(key, resolver)))
  return { lines: findings.map(({ text }) => text), fits: findings.every(({ fits }) => fits) }
}

async function checked({ domain, selector, key }: CheckedKey, resolver: DnsResolver): Promise<readonly Finding[]> {
  const name = keyRecordName(domain, selector)
  const says = (fits: boolean, text: string): Finding => ({
    fits,
    text: `${fits ? 'ok     ' : 'problem'} ${name}: ${text}`,
  })
  const owner = parseOwnerName(name)
  if (!owner.ok) return [says(false, 'this is too long for a name in DNS')]
  const answer = await resolver.txt(owner.value)
  if (answer.kind === 'failure') return [says(false, `DNS did not answer: ${failureWords(answer.reason)}`)]
  if (answer.kind === 'absent') return [says(false, 'there is no record; hermetic dkim record prints what to publish')]
  const [strings, ...more] = answer.records
  if (more.length > 0 || strings === undefined) {
    return [says(false, `there are ${answer.records.length} records; verifiers may take any of them`)]
  }
  const { faults, testing, forReports } = judgeKeyRecord(strings.join(''), key)
  if (faults.length > 0) return faults.map((fault) => says(false, FAULT_TEXT[fault]))
  return [
    says(true, `the record fits the key (${key.algorithm})`),
    ...(testing ? [says(true, 'note: t=y says that signing is only tested; verifiers may ignore the signature')] : []),
    ...(forReports ? [] : [says(true, 'note: s= leaves out tlsrpt; TLS reports want it (RFC 8460 §3)')]),
  ]
}

const FAULT_TEXT = {
  'not-a-key-record': 'what is published is no DKIM key record',
  'other-version': 'the record has another version than v=DKIM1',
  revoked: 'the key is revoked: p= is empty',
  'other-key-type': 'k= is another type than that of the key',
  'other-key': 'p= is another key than the one that signs',
  'sha256-not-allowed': 'h= does not allow sha256, with which everything is signed',
  'not-for-mail': 's= leaves out email, so verifiers ignore the key',
} as const satisfies Record<RecordFault, string>
