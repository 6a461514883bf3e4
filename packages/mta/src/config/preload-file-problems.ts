/**
 * Whether the preload list that the configuration names can be used, with the place of everything that is wrong in it.
 * Reads the file; what a running relay does with it is `local-policy/preload-file.ts`.
 */
import { preloadProblemText, readPreloadFile } from '../local-policy/read-preload-file.ts'
import type { PathProblem } from './issues.ts'

interface Named {
  readonly mta_sts: { readonly preload_file?: string | undefined }
}

const SETTING = ['mta_sts', 'preload_file']

export function preloadFileProblems({ mta_sts: { preload_file: path } }: Named): readonly PathProblem[] {
  const read = path === undefined ? undefined : readPreloadFile(path)
  if (read === undefined || read.ok) return []
  if (read.error.kind === 'unreadable') {
    const wrong = `cannot be read (${read.error.detail}): ${path}`
    return [{ path: SETTING, wrong, remedy: 'name a readable file, or leave it out' }]
  }
  const { problems, more } = read.error.error
  const told = [...problems.map(preloadProblemText), ...(more === 0 ? [] : [`and ${more} more`])]
  return told.map((problem) => {
    const wrong = `names a list with a mistake: ${path}, ${problem}`
    return { path: SETTING, wrong, remedy: 'correct it; nothing of a list with a mistake is used' }
  })
}
