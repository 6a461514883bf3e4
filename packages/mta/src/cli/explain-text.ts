/** An explanation as people like to read it: what becomes of mail, why, and what the owner should change. Pure. */
import { domainToUnicode } from 'node:url'
import { type Advice, assertNever, type ConclusionKind, type Explanation, type Severity } from '@hermetic/policy'
import type { Tone } from './colour.ts'
import { hostLines } from './explain-hosts-text.ts'
import { type ExplainPaper, type Line, layOut, references } from './explain-layout.ts'
import { limitLines } from './explain-limit-text.ts'
import { localLines } from './explain-local-text.ts'
import { policyLines, shortTime } from './explain-policy-text.ts'

const BLANK: Line = { indent: 0, text: '' }

export function explanationText(explanation: Explanation, paper: ExplainPaper): string {
  const { hosts, mtaSts } = explanation
  const sections = [
    headLines(explanation),
    routeLines(explanation),
    policyLines(mtaSts, paper),
    localLines(explanation.local),
    limitLines(explanation.limits),
    hostLines(hosts),
    adviceLines(explanation),
    hintLines(explanation),
  ].filter((lines) => lines.length > 0)
  return layOut(
    sections.flatMap((lines, index) => (index === 0 ? lines : [BLANK, ...lines])),
    paper,
  )
}

const MARKS: Readonly<Record<ConclusionKind, { readonly mark: string; readonly tone: Tone }>> = {
  deliverable: { mark: '✓', tone: 'good' },
  refused: { mark: '✗', tone: 'bad' },
  undeliverable: { mark: '✗', tone: 'bad' },
  unreachable: { mark: '!', tone: 'warning' },
  unknown: { mark: '?', tone: 'warning' },
}

function headLines({ conclusion, by, at, destination, connected }: Explanation): readonly Line[] {
  const { mark, tone } = MARKS[conclusion.kind]
  const asked = by === 'relay' ? 'as the running relay sees it' : 'as this command sees it; no relay runs'
  const written = domainToUnicode(destination)
  const name = written === '' || written === destination ? '' : `${destination} is ${written}; `
  const looked = connected ? '' : '; no host was connected to'
  return [
    { indent: 0, label: mark, labelTone: tone, text: conclusion.sentence, tone: 'strong' },
    { indent: 2, text: `${name}${asked}, ${shortTime(at)}${looked}`, tone: 'quiet' },
  ]
}

function routeLines({ route }: Explanation): readonly Line[] {
  const { kind, alias, smarthost, problem, lane, because, fallback, others = [] } = route
  const told =
    problem === undefined ? [] : [`${problem.detail}${problem.status === undefined ? '' : ` (${problem.status})`}`]
  const [text, ...more] = [
    ...routeWords(kind, { alias, smarthost, lane }),
    ...(because === undefined ? [] : [`because of ${because}`]),
    ...(fallback === undefined ? [] : [`when nobody can be reached: ${fallback}`]),
    ...others.map((other) => `other mail: ${other}`),
    ...told,
  ]
  if (text === undefined) return []
  return [
    { indent: 0, text: `Route: ${text}`, tone: 'strong' },
    ...more.map((line): Line => ({ indent: 2, text: line })),
  ]
}

/** The ordinary way needs no words. */
function routeWords(
  kind: Explanation['route']['kind'],
  {
    alias,
    smarthost,
    lane,
  }: { readonly alias: string | undefined; readonly smarthost: string | undefined; readonly lane: string },
): readonly string[] {
  switch (kind) {
    case 'smarthost':
      return [
        `by the settings of this relay to ${smarthost ?? 'a smarthost'}, not to the hosts of the domain (lane ${lane})`,
        'what counts is the policy of the smarthost; that of the domain is for the smarthost to keep [RFC 8461 §3.4]',
      ]
    case 'literal':
      return ['straight to the address: no MX records, no policy']
    case 'mx':
    case 'implicit-mx':
      return alias === undefined ? [] : [`the domain is an alias of ${alias}`]
    default:
      return assertNever(kind)
  }
}

const SEVERITY: Readonly<Record<Severity, { readonly mark: string; readonly tone: Tone }>> = {
  broken: { mark: '✗', tone: 'bad' },
  warning: { mark: '!', tone: 'warning' },
  hint: { mark: '·', tone: 'quiet' },
}

function adviceLines({ advice }: Explanation): readonly Line[] {
  if (advice.length === 0) return []
  return [
    { indent: 0, text: 'What the owner of the domain should change', tone: 'strong' },
    ...advice.flatMap(oneAdvice),
  ]
}

function oneAdvice({ severity, subject, text, remedy, rfc }: Advice): readonly Line[] {
  const { mark, tone } = SEVERITY[severity]
  return [
    { indent: 2, label: mark, labelTone: tone, text: `${subject}: ${text}` },
    { indent: 4, label: '→', text: `${remedy}${references(rfc)}` },
  ]
}

function hintLines({ connected, destination, hosts }: Explanation): readonly Line[] {
  if (connected || hosts.every(({ standing }) => standing !== 'candidate')) return []
  return [
    {
      indent: 0,
      text: `hermetic explain ${destination} --connect shows what the hosts prove; no mail is sent.`,
      tone: 'quiet',
    },
  ]
}
