/** What is wrong with the TXT record at `_mta-sts.` and the domain (RFC 8461 §3.1, §8.3). Pure. */
import { isOurTrouble } from '../dns/answer.ts'
import { expiresAt } from '../mta-sts/freshness.ts'
import type { UnusableRecord } from '../mta-sts/record-lookup.ts'
import { assertNever } from '../result.ts'
import type { Advice } from './advice.ts'
import type { ExplainFacts, StsLookups } from './facts.ts'
import { sameDocument } from './mta-sts-section.ts'
import { bounded, clockTime, dnsFailureWords } from './plain.ts'

const RECORD_RFC = ['RFC 8461 §3.1']
/** What somebody writes who means the record: `v=STS1`, `V=stsv1`, `v= STSv1`. */
const MEANT = /sts/i

export function recordAdvice({ sts, at }: ExplainFacts): readonly Advice[] {
  if (sts.kind === 'not-consulted') return []
  const record = sts.facts?.record
  const subject = `_mta-sts.${sts.policyDomain}`
  switch (record?.kind) {
    case undefined:
      return []
    case 'record':
      return unchangedId(sts, subject)
    case 'absent':
      return [...misspelt(sts, subject), ...vanished(sts, { subject, at })]
    case 'unusable':
      return [unusable(record.error, subject)]
    case 'failed':
      if (isOurTrouble(record.reason)) return []
      return [
        {
          ...{ code: 'record-lookup-failed', severity: 'warning', subject, rfc: ['RFC 8461 §3.3', 'RFC 8461 §10.2'] },
          text: `Whether there is a policy cannot be looked up: ${dnsFailureWords(record.reason)}.`,
          remedy: 'Have every name server of the domain answer for this name, also when there is nothing at it.',
        },
      ]
    default:
      return assertNever(record)
  }
}

function unchangedId({ cached, facts, policyHost }: StsLookups, subject: string): readonly Advice[] {
  const record = facts?.record
  if (cached === undefined || cached === 'unavailable' || policyHost.kind !== 'served') return []
  if (record?.kind !== 'record' || record.id !== cached.id) return []
  if (sameDocument(cached.policy.lines, policyHost.policy.lines)) return []
  return [
    {
      ...{ code: 'record-id-unchanged', severity: 'warning', subject, rfc: ['RFC 8461 §3.1', 'RFC 8461 §3.3'] },
      text: `The policy host serves another document than before, but the id is still ${cached.id}: senders keep the old one until it expires or they look for themselves.`,
      remedy: 'Change the id in the TXT record each time the document changes.',
    },
  ]
}

function misspelt({ txt }: StsLookups, subject: string): readonly Advice[] {
  if (txt?.kind !== 'records') return []
  const text = txt.records.map((strings) => strings.join('')).find((one) => MEANT.test(one))
  if (text === undefined) return []
  return [
    {
      ...{ code: 'record-not-recognised', severity: 'broken', subject, rfc: RECORD_RFC },
      text: bounded(`"${text}" is not taken for an MTA-STS record, so there is no policy.`),
      remedy: 'Begin the record with exactly "v=STSv1;", upper and lower case as here: "v=STSv1; id=20260101;".',
    },
  ]
}

function vanished({ cached }: StsLookups, { subject, at }: { readonly subject: string; readonly at: number }) {
  if (cached === undefined || cached === 'unavailable') return []
  const { mode } = cached.policy
  if (mode === 'none' || expiresAt(cached) <= at) return []
  const advice: Advice = {
    ...{ code: 'record-vanished', severity: 'warning', subject, rfc: ['RFC 8461 §8.3', 'RFC 8461 §10.2'] },
    text: `The record is gone, but the policy that senders know (mode ${mode}) stays in force here until ${clockTime(expiresAt(cached))}.`,
    remedy:
      'Publish the record again. To give MTA-STS up, publish mode none under a new id first, and remove the record when the old policy has expired everywhere.',
  }
  return [advice]
}

function unusable(error: UnusableRecord, subject: string): Advice {
  return { code: `record-${error.kind}`, severity: 'broken', subject, rfc: RECORD_RFC, ...unusableWords(error) }
}

function unusableWords(error: UnusableRecord): Pick<Advice, 'text' | 'remedy'> {
  switch (error.kind) {
    case 'several-records':
      return {
        text: `There are ${error.count} MTA-STS records: senders must act as if there were none.`,
        remedy: 'Leave one TXT record that begins with "v=STSv1;".',
      }
    case 'not-ascii':
      return {
        text: 'The record holds characters that are not ASCII: it counts as none.',
        remedy: 'Write it anew by hand; copied text often brings invisible characters or curly quotes.',
      }
    case 'malformed-field':
      return {
        text: bounded(`The record holds "${error.field}", which is no field: the whole record counts as none.`),
        remedy: 'Write fields as name=value, with semicolons between them: "v=STSv1; id=20260101;".',
      }
    case 'missing-id':
      return { text: 'The record has no id: it counts as none.', remedy: 'Add one: "v=STSv1; id=20260101;".' }
    case 'invalid-id':
      return {
        text: bounded(`The id "${error.id}" is not allowed: the record counts as none.`),
        remedy: 'Use 1 to 32 letters and digits, nothing else; a date and time does well.',
      }
    default:
      return assertNever(error)
  }
}
