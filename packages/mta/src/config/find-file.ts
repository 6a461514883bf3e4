/**
 * Which configuration file is read: the one named on the command line, else the one in HERMETIC_CONFIG, else
 * `hermetic.toml` in the working directory when it is there. Looks, but reads nothing.
 */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'

export const CONFIG_FILE_NAME = 'hermetic.toml'

export interface ConfigFileChoice {
  readonly flag?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
}

/** Undefined: there is none, and the defaults hold. A file that was named is answered even when it is missing. */
export function findConfigFile({ flag, env, workingDirectory }: ConfigFileChoice): string | undefined {
  const named = flag ?? env['HERMETIC_CONFIG']
  if (named !== undefined && named !== '') return resolve(workingDirectory, named)
  const usual = resolve(workingDirectory, CONFIG_FILE_NAME)
  return existsSync(usual) ? usual : undefined
}
