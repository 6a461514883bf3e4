/**
 * The configuration for a verb: found, read, and when it is wrong every problem printed.
 */
import { findConfigFile } from '../config/find-file.ts'
import { type ConfigSources, loadConfig } from '../config/load.ts'
import { formatProblem } from '../config/problem.ts'
import type { Config } from '../config/schema.ts'
import type { Terminal } from './verb.ts'

export const CONFIG_OPTION = { config: { type: 'string' } } as const

export interface Settings {
  readonly config: Config
  /** Undefined: the defaults. */
  readonly file: string | undefined
}

/** The same file and environment once more. */
export function loadSettings(
  { file }: Pick<Settings, 'file'>,
  { env, workingDirectory }: Pick<Terminal, 'env' | 'workingDirectory'>,
): ReturnType<typeof loadConfig> {
  return loadConfig({ file, env, workingDirectory })
}

/** Undefined when the configuration is wrong: the problems are on standard error, the exit code is 78. */
export function readSettings(
  flag: string | undefined,
  terminal: Terminal,
  { keys = 'needed' }: Pick<ConfigSources, 'keys'> = {},
): Settings | undefined {
  const { env, workingDirectory } = terminal
  const file = findConfigFile({ flag, env, workingDirectory })
  const config = loadConfig({ file, env, workingDirectory, keys })
  if (config.ok) return { config: config.value, file }
  const count = config.error.length
  terminal.err(`The configuration has ${count === 1 ? 'a problem' : `${count} problems`}:\n`)
  for (const problem of config.error) terminal.err(`  ${formatProblem(problem)}\n`)
  return undefined
}
