/**
 * Settings from the environment: `HERMETIC_QUEUE__MAX_BYTES`, `HERMETIC_LISTENER__0__PORT`, and
 * `HERMETIC_CREDENTIAL__0__SECRET_HASH_FILE` for secrets. Pure; files are read through `readSecret`.
 *
 * A variable that names no setting is a problem: it is a typing mistake that would otherwise go unseen.
 */
import { err, ok, type Result } from '@hermetic/policy'
import { type ConfigPath, namesOf } from './config-path.ts'
import type { PathProblem } from './issues.ts'
import { findEntry, type OutlineSetting, outline } from './outline.ts'
import { editDistance, suggestion } from './suggestion.ts'
import { parseTomlDocument } from './toml-document.ts'
import { quote } from './value-type.ts'

const PREFIX = 'HERMETIC_'

/** Read by `tools/node` (which Node runs) and by the command line (which file is read); neither is a setting. */
const NOT_SETTINGS: ReadonlySet<string> = new Set(['HERMETIC_NODE', 'HERMETIC_CONFIG'])

export interface EnvironmentSetting {
  readonly variable: string
  readonly path: ConfigPath
  readonly value: unknown
}

export interface EnvironmentProblem extends Omit<PathProblem, 'path'> {
  readonly variable: string
}

export interface EnvironmentReading {
  readonly settings: readonly EnvironmentSetting[]
  readonly problems: readonly EnvironmentProblem[]
}

/** Answers the file's text, or why it cannot be read. */
export type ReadSecret = (file: string) => Result<string, string>

export function readEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  readSecret: ReadSecret,
): EnvironmentReading {
  const settings: EnvironmentSetting[] = []
  const problems: EnvironmentProblem[] = []
  for (const variable of Object.keys(env).sort()) {
    const text = env[variable]
    if (!variable.startsWith(PREFIX) || NOT_SETTINGS.has(variable) || text === undefined) continue
    const setting = settingOf(variable, { text, readSecret })
    if (setting.ok) settings.push(setting.value)
    else problems.push({ variable, ...setting.error })
  }
  return { settings: withoutDoubles(settings, problems), problems }
}

type Trouble = Omit<EnvironmentProblem, 'variable'>

interface Given {
  readonly text: string
  readonly readSecret: ReadSecret
}

function settingOf(variable: string, { text, readSecret }: Given): Result<EnvironmentSetting, Trouble> {
  const path = pathOf(variable)
  const entry = findEntry(namesOf(path))
  if (entry?.kind === 'setting' && hasIndexes(path, entry)) {
    const value = valueOfText(text, entry)
    return value.ok ? ok({ variable, path, value: value.value }) : value
  }
  const secretPath = pathOf(variable.replace(/_FILE$/, ''))
  const secretEntry = findEntry(namesOf(secretPath))
  if (variable.endsWith('_FILE') && secretEntry?.kind === 'setting' && secretEntry.entry.secret) {
    const content = readSecret(text)
    if (!content.ok)
      return err({ wrong: `names a file that cannot be read: ${content.error}`, remedy: 'name a readable file' })
    return ok({ variable, path: secretPath, value: content.value.replace(/\r?\n$/, '') })
  }
  return err(unknownVariable(variable))
}

function pathOf(variable: string): ConfigPath {
  return variable
    .slice(PREFIX.length)
    .split('__')
    .map((step) => (/^\d{1,6}$/.test(step) ? Number(step) : step.toLowerCase()))
}

/** Every list of tables on the way is followed by an index, and nothing else is. */
function hasIndexes(path: ConfigPath, setting: OutlineSetting): boolean {
  const expected = setting.names.flatMap((name, depth) => {
    const isList = findEntry(setting.names.slice(0, depth + 1))?.kind === 'table-list'
    return isList ? [name, 0] : [name]
  })
  return path.length === expected.length && path.every((step, depth) => typeof step === typeof expected[depth])
}

function valueOfText(text: string, { entry }: OutlineSetting): Result<unknown, Trouble> {
  if (entry.toml === 'string') return ok(text)
  // A list may be written as in the file, or as words with commas, which is easier to quote in a shell.
  if (entry.toml === 'array' && !text.trimStart().startsWith('[')) {
    return ok(
      text
        .split(',')
        .map((item) => item.trim())
        .filter((item) => item !== ''),
    )
  }
  const document = /[\r\n]/.test(text) ? undefined : parseTomlDocument(`value = ${text}`)
  if (document?.ok === true && Object.keys(document.value.values).length === 1)
    return ok(document.value.values['value'])
  return err({
    wrong: `is not ${WANTED[entry.toml].what}: ${quote(text)}`,
    remedy: `write ${WANTED[entry.toml].write}`,
  })
}

const WANTED = {
  integer: { what: 'a number', write: 'digits only' },
  boolean: { what: 'true or false', write: 'true or false' },
  array: { what: 'a list', write: 'items with commas between them' },
} as const

function unknownVariable(variable: string): Trouble {
  const known = outline.filter((entry) => entry.kind === 'setting').map(({ names }) => variableName(names))
  const word = variable.replace(/__\d+__/g, '__0__')
  const near = suggestion(
    word,
    known.filter((one) => isLike(word, one)),
  )
  const remedy = near === undefined ? 'unset it; docs/configuration.md lists the settings' : `did you mean ${near}?`
  return { wrong: 'names no setting', remedy }
}

/** The beginning, which all have, makes no short name like another. */
function isLike(word: string, known: string): boolean {
  const name = known.slice(PREFIX.length)
  return 3 * editDistance(word.slice(PREFIX.length), name) <= 2 * name.length
}

/** The variable of a setting, with 0 for the index of each list of tables. */
export function variableName(names: readonly string[]): string {
  const steps = names.flatMap((name, depth) =>
    findEntry(names.slice(0, depth + 1))?.kind === 'table-list' ? [name, '0'] : [name],
  )
  return PREFIX + steps.join('__').toUpperCase()
}

/** A secret may come directly or from a file, not both: nobody could say which one counts. */
function withoutDoubles(
  settings: readonly EnvironmentSetting[],
  problems: EnvironmentProblem[],
): readonly EnvironmentSetting[] {
  const seen = new Map<string, string>()
  return settings.filter(({ path, variable }) => {
    const key = JSON.stringify(path)
    const other = seen.get(key)
    if (other === undefined) {
      seen.set(key, variable)
      return true
    }
    problems.push({ variable, wrong: `sets the same as ${other}`, remedy: 'unset one of the two' })
    return false
  })
}
