/**
 * Is `unbound` installed, and which version is it? Looks at PATH and where distributions put servers; runs nothing but
 * `unbound -V`.
 */
import { execFile } from 'node:child_process'
import { constants } from 'node:fs'
import { access, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { err, ok, type Result } from '../result.ts'
import type { UnboundProblem } from './unbound-problem.ts'

export interface UnboundProgram {
  readonly path: string
  readonly version: UnboundVersion
}

export interface UnboundVersion {
  readonly text: string
  /** RFC 8914, since 1.16. */
  readonly hasExtendedErrors: boolean
}

const NAME = 'unbound'
/** PATH of a service often lacks these. */
const SYSTEM_FOLDERS: readonly string[] = ['/usr/local/sbin', '/usr/sbin', '/sbin', '/usr/local/bin', '/usr/bin']
const VERSION_TIMEOUT_MS = 5_000
/** Of Debian 11: the oldest with which the settings that we write were tried to be the same. */
const OLDEST = [1, 13] as const
const EXTENDED_ERRORS_SINCE = [1, 16] as const

/** Where to look: PATH, but for relative entries, which would run whatever lies in the working directory. */
export function programFolders(path: string): readonly string[] {
  return [...path.split(':').filter((folder) => isAbsolute(folder)), ...SYSTEM_FOLDERS]
}

export async function findUnbound(folders: readonly string[]): Promise<Result<UnboundProgram, UnboundProblem>> {
  for (const folder of folders) {
    const program = join(folder, NAME)
    if (await isProgram(program)) return versionOf(program)
  }
  return err({ kind: 'not-installed' })
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK)
    return (await stat(path)).isFile()
  } catch {
    return false
  }
}

async function versionOf(program: string): Promise<Result<UnboundProgram, UnboundProblem>> {
  const printed = await new Promise<string>((resolve) => {
    // Some versions print and then end with 1.
    execFile(program, ['-V'], { timeout: VERSION_TIMEOUT_MS, env: {} }, (_, stdout) => resolve(stdout))
  })
  const [, text, major, minor] = /^Version ((\d+)\.(\d+)\S{0,20})/m.exec(printed) ?? []
  if (text === undefined) return err({ kind: 'no-version', program })
  const at = [Number(major), Number(minor)] as const
  if (isBefore(at, OLDEST)) return err({ kind: 'too-old', version: text, oldest: OLDEST.join('.') })
  return ok({ path: program, version: { text, hasExtendedErrors: !isBefore(at, EXTENDED_ERRORS_SINCE) } })
}

type MajorMinor = readonly [number, number]

function isBefore([major, minor]: MajorMinor, [wantedMajor, wantedMinor]: MajorMinor): boolean {
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor)
}
