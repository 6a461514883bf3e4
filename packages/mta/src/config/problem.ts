/**
 * One thing that is wrong with the configuration, where it stands, and what to write instead. Pure.
 */
import { assertNever } from '@hermetic/policy'
import type { Position } from './toml-document.ts'

export interface ConfigProblem {
  readonly where: ProblemPlace
  /** `listener[0].port`; empty when the problem is the file itself. */
  readonly setting: string
  /** Continues the setting's name: `is not a duration: "5"`. */
  readonly wrong: string
  /** What to do, as an imperative: `write a whole number with …`. */
  readonly remedy: string
}

export type ProblemPlace =
  | { readonly kind: 'file'; readonly file: string; readonly at?: Position }
  | { readonly kind: 'environment'; readonly variable: string }
  /** Nothing was written, and that is the problem. */
  | { readonly kind: 'defaults' }

/** `hermetic.toml:12:3: listener[0].port is out of range: 99999; write …`. */
export function formatProblem(problem: ConfigProblem): string {
  const subject = problem.setting === '' ? '' : `${problem.setting} `
  return `${placeText(problem.where)}: ${subject}${problem.wrong}; ${problem.remedy}`
}

export function placeText(where: ProblemPlace): string {
  switch (where.kind) {
    case 'file':
      return where.at === undefined ? where.file : `${where.file}:${where.at.line}:${where.at.column}`
    case 'environment':
      return where.variable
    case 'defaults':
      return 'configuration'
    default:
      return assertNever(where)
  }
}
