/**
 * The rules about what stands in the text: leftovers, skipped tests, `any`, console, RFC references, machine
 * names. Pure.
 */
import { blank, lineOf } from './code-text.ts'
import type { SourceFile } from './sources.ts'

interface Pattern {
  readonly pattern: RegExp
  readonly advice: string
}

function findings({ path, text }: SourceFile, looked: string, patterns: readonly Pattern[]): readonly string[] {
  return patterns.flatMap(({ pattern, advice }) =>
    [...looked.matchAll(pattern)].map((match) => {
      const line = lineOf(text, match.index)
      return `${path}:${line}: "${(text.split('\n')[line - 1] ?? '').trim().slice(0, 80)}": ${advice}`
    }),
  )
}

const SKIPPED: readonly Pattern[] = [
  {
    pattern: /\b(?:test|it|describe|suite)\.only\(|\bonly: true\b/g,
    advice: 'remove "only", the other tests count too',
  },
  {
    pattern: /\b(?:test|it|describe|suite)\.(?:skip|todo)\(|\b(?:skip|todo): true\b/g,
    advice: 'give the reason as text: { skip: "why" }',
  },
  { pattern: /\.(?:skip|todo)\(\s*\)/g, advice: 'give the reason as text: t.skip("why")' },
]

export function skippedTests(file: SourceFile): readonly string[] {
  return findings(file, blank(file.text).code, SKIPPED)
}

const ANY: readonly Pattern[] = [
  { pattern: /(?::|<|\||&|\bas|\bextends|=>|,) *any\b(?![\w(:'])/g, advice: 'say the type, or unknown and narrow it' },
]

export function anyTypes(file: SourceFile): readonly string[] {
  return findings(file, blank(file.text).code, ANY)
}

const CONSOLE: readonly Pattern[] = [
  { pattern: /(?<![.\w])console\./g, advice: 'emit an event; only the command line, tools and tests print' },
]
const MAY_PRINT = /\/cli\/|^tools\/|^test\//

export function consoleUse(file: SourceFile): readonly string[] {
  return MAY_PRINT.test(file.path) ? [] : findings(file, blank(file.text).code, CONSOLE)
}

// Built from halves, so that this file does not find itself.
const LEFTOVER = new RegExp(`\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`, 'g')

export function leftovers(file: SourceFile): readonly string[] {
  return findings(file, file.text, [
    { pattern: LEFTOVER, advice: 'do it, or write an issue; nothing is left in the text' },
  ])
}

const REFERENCES: readonly Pattern[] = [
  { pattern: /\b(?:rfc|Rfc)[ -]?\d{4}\b|\bRFC(?:-|(?=\d)| {2,})\d{4}\b/g, advice: 'write it as RFC 8461' },
  {
    pattern: /\bRFC \d{3,5},? (?:s\d|sec\b|section\b|Section\b|chapter\b|par\b|§ )/g,
    advice: 'write the section as RFC 8461 §3.3',
  },
]

export function rfcReferences(file: SourceFile): readonly string[] {
  // Links carry the form of their own address.
  const looked = file.text.replace(/https?:\/\/\S+/g, (link) => ' '.repeat(link.length))
  return findings(file, looked, REFERENCES)
}

const MACHINE: readonly Pattern[] = [
  {
    pattern: /(?<![\w.$}\])/-])\/(?:home|Users|root|srv|builds)\/(?=[\w.-])/g,
    advice: 'no path of one machine: derive it from the checkout or take it as a setting',
  },
  {
    pattern: /\bhttps?:\/\/[^\s/'"`]*(?:registry|npmjs|verdaccio|artifactory|nexus)[^\s/'"`]*/gi,
    advice: 'no registry host: the client is configured outside the repository',
  },
]

export function machineNames(file: SourceFile): readonly string[] {
  return findings(file, file.text, MACHINE)
}
