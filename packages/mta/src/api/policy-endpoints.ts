/** The endpoints about policies, suppressed addresses and reports. A part of `endpoints.ts`. Pure. */
import { type Endpoint, type Fields, order, page } from './endpoint.ts'
import { fieldOf, fullPage, itemsOf, placeIn } from './paging.ts'
import { ANY, COUNT, FLAG, list, object, oneOf, POLICY, TEXT, TIME } from './schemas.ts'

const DOMAIN: Fields = { domain: { type: 'string', sentence: 'A policy domain.', example: 'example.com' } }
const DAY: Fields = { day: { type: 'string', sentence: 'A UTC day.', example: '2026-11-21' } }
const DESTINATION: Fields = {
  destination: { type: 'string', sentence: 'A domain, or an address in brackets.', example: 'example.com' },
}
const EXPLAINED = object({ kind: oneOf('explained', 'busy') }, { explanation: ANY, at_once_max: COUNT })

const POLICY_PART: readonly Endpoint[] = [
  order({
    ...{ method: 'get', path: '/explain/{destination}', id: 'explain', role: 'read', order: '/explain' },
    sentence: 'What becomes of mail for a destination, and why. Nobody is connected to.',
    inPath: DESTINATION,
    ask: ({ destination }) => ({ destination, connect: false }),
    answer: EXPLAINED,
    long: true,
  }),
  order({
    ...{
      method: 'post',
      path: '/explain/{destination}/connect',
      id: 'explainConnected',
      order: '/explain',
    },
    role: 'operate',
    sentence: 'The same, with a session to each of its hosts.',
    inPath: DESTINATION,
    ask: ({ destination }) => ({ destination, connect: true }),
    answer: EXPLAINED,
    long: true,
  }),
  page({
    ...{ method: 'get', path: '/policies', id: 'listPolicies', role: 'read', order: '/policy/list' },
    sentence: 'Cached MTA-STS policies, by domain.',
    ask: (_given, page) => page,
    item: POLICY,
    items: itemsOf,
    next: fullPage('policyDomain'),
  }),
  order({
    ...{
      method: 'get',
      path: '/policies/{domain}',
      id: 'showPolicy',
      role: 'read',
      order: '/policy/show',
    },
    sentence: 'The cached policy of a domain.',
    inPath: DOMAIN,
    ask: ({ domain }) => ({ domain }),
    answer: POLICY,
  }),
  order({
    ...{
      method: 'post',
      path: '/policies/{domain}/refresh',
      id: 'refreshPolicy',
      order: '/policy/refresh',
    },
    role: 'operate',
    sentence: 'Fetches the policy of a domain now.',
    inPath: DOMAIN,
    ask: ({ domain }) => ({ domain }),
    answer: object({ kind: TEXT }),
    long: true,
  }),
  order({
    ...{ method: 'post', path: '/policies/{domain}/purge', id: 'purgePolicy', order: '/policy/purge' },
    role: 'operate',
    sentence: 'Throws the cached policy of a domain away. Mail then meets the domain for the first time.',
    inPath: DOMAIN,
    ask: ({ domain }, caller) => ({ domain, by: `api ${caller}` }),
    answer: object({ policy_domain: TEXT, by: TEXT, at: TIME }),
  }),
  order({
    ...{ method: 'get', path: '/overrides', id: 'listOverrides', role: 'read', order: '/overrides' },
    sentence: 'What the operator requires, waives and observes, as the process that answers goes by it.',
    ask: () => ({}),
    answer: object({ enforcement: oneOf('enforce', 'observe'), overrides: list(ANY) }, { preload: ANY }),
  }),
  page({
    ...{ method: 'get', path: '/observed', id: 'listObserved', role: 'read', order: '/observed' },
    sentence: 'Deliveries since a moment, and which of them policies that are only observed would have refused.',
    fields: { since: { type: 'integer', sentence: 'UTC milliseconds.', required: true } },
    ask: ({ since }, { after }) => ({ since, ...(after === undefined ? {} : { from: after }) }),
    item: object({ domain: TEXT, deliveries: COUNT, refused: COUNT, reasons: list(ANY), hosts: list(ANY) }),
    items: (answer) => fieldOf(answer, 'domains'),
    next: (answer) => placeIn(answer, 'next'),
    long: true,
  }),
]

const ADDRESS: Fields = { address: { type: 'string', sentence: 'A mail address.', required: true } }

const SUPPRESSION_PART: readonly Endpoint[] = [
  page({
    ...{ method: 'get', path: '/suppression', id: 'listSuppressed', role: 'read' },
    order: '/suppression/list',
    sentence: 'Addresses that get no mail, by address.',
    ask: (_given, page) => page,
    item: object({ address: TEXT, since: TIME, until: TIME, by: oneOf('bounces', 'operator') }, { reason: TEXT }),
    items: itemsOf,
    next: fullPage('address'),
  }),
  order({
    ...{
      method: 'post',
      path: '/suppression',
      id: 'suppress',
      role: 'operate',
      order: '/suppression/add',
    },
    sentence: 'Sends an address no more mail until then.',
    fields: {
      ...ADDRESS,
      until: { type: 'integer', sentence: 'UTC milliseconds.', required: true },
      reason: { type: 'string', sentence: 'Why.', max: 256 },
    },
    ask: (given) => given,
    tell: (result) => ({ result }),
    answer: object({ result: oneOf('added', 'full') }),
  }),
  order({
    ...{ method: 'post', path: '/suppression/remove', id: 'unsuppress', order: '/suppression/remove' },
    role: 'operate',
    sentence: 'Takes an address off the list; its refusals are forgotten.',
    fields: ADDRESS,
    ask: ({ address }) => ({ address }),
    tell: (removed) => ({ removed }),
    answer: object({ removed: FLAG }),
  }),
]

const REPORT_PART: readonly Endpoint[] = [
  order({
    ...{
      method: 'get',
      path: '/tlsrpt/days',
      id: 'listReportDays',
      role: 'read',
      order: '/tlsrpt/days',
    },
    sentence: 'Days of which something is kept.',
    ask: () => ({}),
    tell: (items) => ({ items }),
    answer: object({ items: list(TEXT) }),
  }),
  page({
    ...{ method: 'get', path: '/tlsrpt/days/{day}/reports', id: 'listReports', order: '/tlsrpt/reports' },
    role: 'read',
    sentence: 'The reports of a day, and how each stands.',
    inPath: DAY,
    ask: ({ day }, page) => ({ day, ...page }),
    item: object({ policy_domain: TEXT, day: TEXT, done: FLAG, targets: list(ANY) }),
    items: itemsOf,
    next: fullPage('policyDomain'),
  }),
  page({
    ...{
      method: 'get',
      path: '/tlsrpt/days/{day}/preview',
      id: 'previewReports',
      order: '/tlsrpt/preview',
    },
    role: 'read',
    sentence: 'What would be reported of a day, and to whom. Records are looked up.',
    inPath: DAY,
    ask: ({ day }, page) => ({ day, ...page }),
    item: ANY,
    items: (answer) => fieldOf(answer, 'previews'),
    next: (answer) => placeIn(answer, 'next'),
    long: true,
  }),
  order({
    ...{
      method: 'get',
      path: '/tlsrpt/days/{day}/domains/{domain}',
      id: 'showReport',
      order: '/tlsrpt/sums',
    },
    role: 'read',
    sentence: 'What was counted of a domain on a day, as a report tells it (RFC 8460 §4.4).',
    inPath: { ...DAY, ...DOMAIN },
    ask: ({ day, domain }) => ({ day, domain }),
    tell: (items) => (items === null || items === undefined ? undefined : { items }),
    answer: object({ items: list(ANY) }),
  }),
  order({
    ...{ method: 'post', path: '/tlsrpt/run', id: 'runReports', role: 'operate', order: '/tlsrpt/run' },
    sentence: 'Sends reports now. A run that takes longer than a minute goes on by itself.',
    fields: {
      day: { type: 'string', sentence: 'Only of this day.' },
      urgent: { type: 'boolean', sentence: 'true: also what is not due yet; a day that is not over is closed.' },
    },
    ask: ({ day, urgent = false }) => ({ day, urgent }),
    answer: object({ kind: oneOf('done', 'goes-on') }, { summary: ANY }),
    long: true,
  }),
]

export const POLICY_ENDPOINTS: readonly Endpoint[] = [...POLICY_PART, ...SUPPRESSION_PART, ...REPORT_PART]
