/**
 * Reads the file of a preload list, and puts into words what is wrong with one. The formats are those of
 * `preload-list.ts` in the policy package.
 */
import {
  err,
  type PreloadList,
  type PreloadListError,
  type PreloadProblem,
  parsePreloadList,
  type Result,
} from '@hermetic/policy'
import { readAtMost } from '../config/read-at-most.ts'
import { describeSystemError } from '../config/system-error.ts'

export type PreloadFileError =
  | { readonly kind: 'unreadable'; readonly detail: string }
  | { readonly kind: 'wrong'; readonly error: PreloadListError }

/** The list of STARTTLS Everywhere had a quarter of this for a thousand domains. */
const LIST_BYTES_MAX = 16 * 1024 * 1024

export function readPreloadFile(path: string): Result<PreloadList, PreloadFileError> {
  let text: string
  try {
    const bytes = readAtMost(path, LIST_BYTES_MAX + 1)
    if (bytes.length > LIST_BYTES_MAX) return err({ kind: 'unreadable', detail: 'it is too large' })
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (error) {
    const detail = error instanceof TypeError ? 'it is not UTF-8' : describeSystemError(error)
    return err({ kind: 'unreadable', detail })
  }
  const list = parsePreloadList(text)
  return list.ok ? list : err({ kind: 'wrong', error: list.error })
}

/** `line 3: not a domain: "example..com"`. */
export function preloadProblemText({ at, kind, text }: PreloadProblem): string {
  const place = typeof at === 'number' ? `line ${at}` : at === 'list' ? 'the list' : `"${at}"`
  return `${place}: ${WORDS[kind]}${text === undefined ? '' : `: ${JSON.stringify(text)}`}`
}

/** In one line, for the log and for a start that fails: the first problem, and how many there are. */
export function preloadErrorText(error: PreloadFileError): string {
  if (error.kind === 'unreadable') return `cannot be read (${error.detail})`
  const { problems, more } = error.error
  const others = problems.length - 1 + more
  return `${preloadProblemText(problems[0])}${others === 0 ? '' : `, and ${others} more`}`
}

const WORDS: Readonly<Record<PreloadProblem['kind'], string>> = {
  'empty-file': 'nothing in it, not even a comment',
  'not-json': 'not JSON',
  'not-an-object': 'not an object',
  'unknown-version': 'a version of the format that is not known; write "0.1"',
  'not-a-time': 'not a date with time',
  'not-a-domain': 'not a domain',
  'domain-twice': 'the domain is there twice',
  'unknown-field': 'a field that is not known, so that what it demands would not be checked',
  'unknown-mode': 'not a mode; write "enforce" or "testing"',
  'unknown-alias': 'a policy alias that is not there',
  'not-a-pattern': 'not a host name, nor one with "*." before it',
  'no-patterns': 'no hosts; write them behind the domain',
  'too-many-patterns': 'too many hosts',
  'too-many-entries': 'too many domains',
}
