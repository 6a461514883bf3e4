/**
 * The repository's own files as the tidy rules see them: what git tracks or would track, read once.
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))

export interface SourceFile {
  /** Relative to the root, with forward slashes. */
  readonly path: string
  readonly text: string
}

let listed: readonly string[] | undefined

/** Tracked files and new ones that are not ignored; deleted ones are left out. */
export function repositoryFiles(): readonly string[] {
  listed ??= [...new Set(listFiles())].filter(isRegularFile).sort()
  return listed
}

function listFiles(): readonly string[] {
  try {
    const answer = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 64 * 1024 * 1024,
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    return answer.split('\0').filter((path) => path !== '')
  } catch {
    // Unpacked from an archive: no git, no ignored files to leave out but these.
    return walk('')
  }
}

const NOT_OURS = new Set(['node_modules', '.git', 'data', 'coverage'])

function walk(folder: string): readonly string[] {
  return readdirSync(`${root}${folder}`, { withFileTypes: true })
    .filter((entry) => !NOT_OURS.has(entry.name))
    .flatMap((entry) => (entry.isDirectory() ? walk(`${folder}${entry.name}/`) : [`${folder}${entry.name}`]))
}

function isRegularFile(path: string): boolean {
  return statSync(`${root}${path}`, { throwIfNoEntry: false })?.isFile() === true
}

let typescript: readonly SourceFile[] | undefined

/** Every TypeScript file of ours. */
export function typescriptFiles(): readonly SourceFile[] {
  typescript ??= repositoryFiles()
    .filter((path) => path.endsWith('.ts'))
    .map(readSource)
  return typescript
}

export function readSource(path: string): SourceFile {
  return { path, text: readFileSync(`${root}${path}`, 'utf8') }
}

/** Code that ships: packages without their tests, contracts, fixtures and samples. */
export function isProduction(path: string): boolean {
  return path.startsWith('packages/') && !/\.(?:test|contract|fixture|samples)\.ts$/.test(path)
}
