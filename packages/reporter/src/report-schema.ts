/**
 * The shape of a report (RFC 8460 §4.4, with erratum 6241), as rules that say what is wrong and where. What we send has
 * no finding; what others send is read in spite of them (`read-report.ts`). Pure.
 */
import { isIP } from 'node:net'
import { parseOwnerName } from '@hermetic/policy'
import { isResultType } from './result-type.ts'
import { parseUri } from './uri.ts'

export interface ReportFinding {
  /** `policies[0].summary.total-successful-session-count`; empty: the report as a whole. */
  readonly path: string
  readonly kind:
    | 'missing'
    | 'null'
    | 'not-an-object'
    | 'not-an-array'
    | 'not-a-string'
    | 'not-a-count'
    | 'empty'
    | 'unknown-member'
    | 'unknown-word'
    | 'malformed'
}

type Rule = (value: unknown, path: string) => readonly ReportFinding[]

interface Member {
  readonly rule: Rule
  readonly optional?: true
}

/** RFC 3339 §5.6 with a zone, in whole seconds or finer. */
const DATE_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)$/i
/** No display name and no `mailto:` (RPT-19). */
const ADDRESS = /^[^\s<>:@]+@[^\s<>:@]+$|^"[^"]+"@[^\s<>:@]+$/
const POLICY_TYPES: ReadonlySet<string> = new Set(['tlsa', 'sts', 'no-policy-found'])

export function reportFindings(value: unknown): readonly ReportFinding[] {
  return REPORT(value, '')
}

const text: Rule = (value, path) => {
  if (typeof value !== 'string') return finding(path, value === null ? 'null' : 'not-a-string')
  return value === '' ? finding(path, 'empty') : []
}

function such(test: (text: string) => boolean, kind: ReportFinding['kind'] = 'malformed'): Rule {
  return (value, path) => {
    const wrong = text(value, path)
    return wrong.length > 0 || test(value as string) ? wrong : finding(path, kind)
  }
}

function count(least: number): Rule {
  return (value, path) =>
    Number.isSafeInteger(value) && (value as number) >= least
      ? []
      : finding(path, value === null ? 'null' : 'not-a-count')
}

function list(rule: Rule): Rule {
  return (value, path) =>
    Array.isArray(value) ? value.flatMap((one, at) => rule(one, `${path}[${at}]`)) : finding(path, 'not-an-array')
}

function object(members: Readonly<Record<string, Member>>): Rule {
  return (value, path) => {
    if (!isObject(value)) return finding(path, value === null ? 'null' : 'not-an-object')
    const at = (name: string) => (path === '' ? name : `${path}.${name}`)
    const known = Object.entries(members).flatMap(([name, { rule, optional }]) => {
      if (Object.hasOwn(value, name)) return rule(value[name], at(name))
      return optional ? [] : finding(at(name), 'missing')
    })
    const unknown = Object.keys(value).filter((name) => !Object.hasOwn(members, name))
    return [...known, ...unknown.flatMap((name) => finding(at(name), 'unknown-member'))]
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function finding(path: string, kind: ReportFinding['kind']): readonly ReportFinding[] {
  return [{ path, kind }]
}

const dateTime = such((value) => DATE_TIME.test(value) && !Number.isNaN(Date.parse(value)))
const domain = such((value) => parseOwnerName(value).ok && value === value.toLowerCase())
const address = such((value) => isIP(value) !== 0 && !value.includes('%'))

const FAILURE_DETAILS = object({
  'result-type': { rule: such(isResultType, 'unknown-word') },
  'sending-mta-ip': { rule: address, optional: true },
  'receiving-mx-hostname': { rule: domain, optional: true },
  'receiving-mx-helo': { rule: text, optional: true },
  'receiving-ip': { rule: address, optional: true },
  'failed-session-count': { rule: count(1) },
  'additional-information': { rule: such((value) => parseUri(value) !== undefined), optional: true },
  'failure-reason-code': { rule: text, optional: true },
})

const POLICY = object({
  policy: {
    rule: object({
      'policy-type': { rule: such((value) => POLICY_TYPES.has(value), 'unknown-word') },
      'policy-string': { rule: list(text) },
      'policy-domain': { rule: domain },
      'mx-host': { rule: list(such((value) => parseOwnerName(value.replace(/^\*\./, '')).ok)), optional: true },
    }),
  },
  summary: {
    rule: object({
      'total-successful-session-count': { rule: count(0) },
      'total-failure-session-count': { rule: count(0) },
    }),
  },
  'failure-details': { rule: list(FAILURE_DETAILS) },
})

const REPORT = object({
  'organization-name': { rule: text },
  'date-range': { rule: object({ 'start-datetime': { rule: dateTime }, 'end-datetime': { rule: dateTime } }) },
  'contact-info': { rule: such((value) => ADDRESS.test(value)) },
  'report-id': { rule: text },
  policies: { rule: list(POLICY) },
})
