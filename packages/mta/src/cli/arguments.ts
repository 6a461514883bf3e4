/**
 * Options and words of a verb, read with `node:util` parseArgs; its refusals become `UsageError`.
 */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util'
import { suggestion } from '../config/suggestion.ts'
import { systemErrorCode } from '../config/system-error.ts'
import { UsageError } from './verb.ts'

interface WordCount {
  readonly min: number
  readonly max: number
  /** What the words are: `queue ids`. */
  readonly name: string
}

export function readArguments<const T extends ParseArgsOptionsConfig>(
  args: readonly string[],
  options: T,
  words: WordCount = { min: 0, max: 0, name: 'words' },
): ReturnType<typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>> {
  const parsed = parse(args, options)
  const count = parsed.positionals.length
  if (count < words.min) throw new UsageError(`${words.name} missing`)
  if (count > words.max) throw new UsageError(`too many words: ${parsed.positionals.slice(words.max).join(' ')}`)
  return parsed
}

function parse<const T extends ParseArgsOptionsConfig>(args: readonly string[], options: T) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
  } catch (error) {
    const code = systemErrorCode(error)
    if (!(error instanceof Error) || code?.startsWith('ERR_PARSE_ARGS') !== true) throw error
    throw new UsageError(code === 'ERR_PARSE_ARGS_UNKNOWN_OPTION' ? unknownOption(args, options) : error.message)
  }
}

function unknownOption(args: readonly string[], options: ParseArgsOptionsConfig): string {
  const known = Object.keys(options).map((name) => `--${name}`)
  const unknown = args.find((arg) => arg.startsWith('-') && !known.includes(arg.replace(/=.*/, ''))) ?? ''
  const near = suggestion(unknown.replace(/=.*/, ''), known)
  return near === undefined ? `unknown option ${unknown}` : `unknown option ${unknown}; did you mean ${near}?`
}
