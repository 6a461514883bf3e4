/**
 * For tests: configurations from text, in a directory of their own, on a machine whose name is given.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Result } from '@hermetic/policy'
import { loadConfig } from './load.ts'
import type { HostFacts } from './own-name.ts'
import { type ConfigProblem, formatProblem } from './problem.ts'
import type { Config } from './schema.ts'

export const namelessHost: HostFacts = { systemName: 'laptop', addresses: [{ family: 4, address: '192.0.2.7' }] }

export interface Written {
  readonly env?: Readonly<Record<string, string>>
  readonly files?: Readonly<Record<string, string>>
  readonly host?: HostFacts
  /** UTC milliseconds. */
  readonly now?: number
}

/** Loads the text as `hermetic.toml`; undefined: no file. */
export function load(toml: string | undefined, written: Written = {}): Result<Config, readonly ConfigProblem[]> {
  const { env = {}, files = {}, host = namelessHost, now = Date.now() } = written
  const directory = mkdtempSync(join(tmpdir(), 'hermetic-config-'))
  try {
    for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text)
    const file = toml === undefined ? undefined : join(directory, 'hermetic.toml')
    if (file !== undefined && toml !== undefined) writeFileSync(file, toml)
    const sources = { file, env, workingDirectory: directory, hostFacts: () => host, now: () => now }
    return withoutDirectory(loadConfig(sources), directory)
  } finally {
    rmSync(directory, { recursive: true })
  }
}

/** The problems as a person sees them, without the directory of this test. */
export function problemsOf(toml: string | undefined, written: Written = {}): readonly string[] {
  const result = load(toml, written)
  return result.ok ? [] : result.error.map(formatProblem)
}

/** The configuration; a problem fails the test with its words. */
export function configOf(toml: string | undefined, written: Written = {}): Config {
  const result = load(toml, written)
  if (!result.ok) throw new Error(result.error.map(formatProblem).join('\n'))
  return result.value
}

function withoutDirectory(
  result: Result<Config, readonly ConfigProblem[]>,
  directory: string,
): Result<Config, readonly ConfigProblem[]> {
  if (result.ok) return result
  return { ok: false, error: JSON.parse(JSON.stringify(result.error).replaceAll(`${directory}/`, '')) }
}
