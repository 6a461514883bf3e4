/**
 * Where a setting was written: the line of the file, the variable, or the nearest table around it. Pure.
 */
import { type ConfigPath, isWithin } from './config-path.ts'
import type { EnvironmentSetting } from './environment.ts'
import type { ProblemPlace } from './problem.ts'
import type { TomlDocument } from './toml-document.ts'

interface Written {
  readonly document: TomlDocument
  readonly environment: readonly EnvironmentSetting[]
  readonly file: string | undefined
}

export function locator({ document, environment, file }: Written): (path: ConfigPath) => ProblemPlace {
  return (path) => {
    for (let length = path.length; length > 0; length--) {
      const prefix = path.slice(0, length)
      const exact = environment.find((setting) => setting.path.length === length && isWithin(setting.path, prefix))
      if (exact !== undefined) return { kind: 'environment', variable: exact.variable }
      const at = document.position(prefix)
      if (at !== undefined && file !== undefined) return { kind: 'file', file, at }
      const below = environment.find((setting) => isWithin(setting.path, prefix))
      if (below !== undefined) return { kind: 'environment', variable: below.variable }
    }
    return file === undefined ? { kind: 'defaults' } : { kind: 'file', file }
  }
}
