/**
 * The rules about the shape of files: size, function length, names, header comments (style of the project). Pure.
 */
import { blank } from './code-text.ts'
import { isProduction, type SourceFile } from './sources.ts'

export const LONGEST_FILE = 400
export const LONGEST_FUNCTION = 60

/** Files that are one table or one list by nature: their size may shrink and never grow past this. */
const RATCHET: Readonly<Record<string, number>> = {}

export function fileSize(
  { path, text }: SourceFile,
  ratchet: Readonly<Record<string, number>> = RATCHET,
): readonly string[] {
  const lines = text.split('\n').length - 1
  const limit = ratchet[path] ?? LONGEST_FILE
  if (lines > limit)
    return [`${path} has ${lines} lines, more than ${limit}: split it by concept, each file named after its own`]
  if (path in ratchet && lines <= LONGEST_FILE)
    return [`${path} fits ${LONGEST_FILE} lines again: take it off the ratchet list`]
  return []
}

const NOT_A_FUNCTION =
  /^\s*(?:\} )?(?:if|for|while|switch|else|try|catch|finally|do|class|interface|type|export (?:class|interface|type)|return \{|const \w+(?::[^=]+)? = \{)\b/
const FUNCTION_START =
  /(?:\bfunction\b.*|=>|^\s*\)(?:: .+)?|^\s*(?:(?:async|static|get|set|override|private|protected) )*\*?\[?#?[\w.]+\]?(?:<[^(]*>)?\(.*\)(?:: .+)?) \{$/
/** The body of a suite, test or contract is a list of tests, not a function to keep in one's head. */
const LIST_OF_TESTS = /\b(?:describe|suite|test|it)\(|^export function \w+(?:Contract|Tests)\b/

/** Measured by the formatter's indentation: a body ends at the first line that closes at its own depth. */
export function functionLength({ path, text }: SourceFile): readonly string[] {
  const lines = blank(text).code.split('\n')
  return lines.flatMap((line, at) => {
    if (!FUNCTION_START.test(line) || NOT_A_FUNCTION.test(line) || LIST_OF_TESTS.test(line)) return []
    const margin = line.length - line.trimStart().length
    const length = lines
      .slice(at + 1)
      .findIndex((later) => later.trim() !== '' && later.length - later.trimStart().length <= margin)
    if (length <= LONGEST_FUNCTION) return []
    return [
      `${path}:${at + 1}: a function of ${length} lines, more than ${LONGEST_FUNCTION}: give its steps names of their own`,
    ]
  })
}

/** Words that say nothing about what a thing is. */
const BANNED = new Set([
  'util',
  'utils',
  'helper',
  'helpers',
  'manager',
  'handler',
  'handlers',
  'process',
  'data',
  'info',
  'common',
  'misc',
])
/** Names from outside: the SMTP verb DATA, the RDATA of a DNS record, the setting data_dir. */
const DATA_DIR = /^(?:data-dir|data_?dir|dataDir\w*|\w*DataDir|DATA_DIR\w*)$/i
const SPEAKS_OF_DATA = /\/(?:smtp|dns|dane)\//

export function wordsOf(name: string): readonly string[] {
  return name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .replace(/([A-Z]+)([A-Z][a-z])/g, '$1 $2')
    .split(/[\s_.-]+/)
    .map((word) => word.toLowerCase())
    .filter((word) => word !== '')
}

const EXPORTED = /^export (?:declare )?(?:abstract )?(?:async )?(?:class|function\*?|const|let|interface|type) (\w+)/gm

export function names({ path, text }: SourceFile): readonly string[] {
  const fileNames = path.split('/').map((part) => part.replace(/\.\w+$/, ''))
  const exported = [...blank(text).code.matchAll(EXPORTED)].flatMap(([, name]) => name ?? [])
  return [...fileNames, ...exported].flatMap((name) => {
    const word = wordsOf(name).find((one) => BANNED.has(one) && !(one === 'data' && SPEAKS_OF_DATA.test(path)))
    if (word === undefined || DATA_DIR.test(name)) return []
    return [`${path}: "${name}" holds the empty word "${word}": say what the thing is, in the RFCs' words`]
  })
}

/** 2 to 8 lines: what it knows, which RFC section governs, what it does not know; one for a file of one concept. */
export function headerComment({ path, text }: SourceFile): readonly string[] {
  if (path.endsWith('.test.ts') || /^(?:#!.*\n)?\/\*\*(?:\n \*)? \S/.test(text)) return []
  return [`${path}: begin with a /** comment that says what the file knows, what governs it, and what it does not know`]
}

export function isMeasured({ path }: SourceFile): boolean {
  return isProduction(path) || !/\.(?:test|contract)\.ts$/.test(path)
}
