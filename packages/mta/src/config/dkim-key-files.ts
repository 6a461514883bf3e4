/** Whether the keys of `[[dkim]]` and `[tlsrpt]` can be used. Reads the files. */
import { tlsrptKeyPlace } from '../reporting/key-place.ts'
import { keyFileProblemText, readKeyFile } from '../signing/key-files.ts'
import type { PathProblem } from './issues.ts'
import { describeSystemError } from './system-error.ts'

interface Keys {
  readonly dkim: readonly { readonly domain: string; readonly selector: string; readonly key_file: string }[]
}

export function dkimKeyFileProblems({ dkim }: Keys): readonly PathProblem[] {
  return dkim.flatMap(({ domain, selector, key_file: file }, index) =>
    fileProblem(file, {
      path: ['dkim', index, 'key_file'],
      make: `name a key that can be used, or make one: hermetic dkim keygen ${domain} ${selector}`,
    }),
  )
}

export function tlsrptKeyFileProblems(config: Parameters<typeof tlsrptKeyPlace>[0]): readonly PathProblem[] {
  const place = tlsrptKeyPlace(config)
  if (place === undefined) return []
  const { selector, path: file } = place
  const make = `name a key that can be used, or make one: hermetic tlsrpt key ${selector}`
  return fileProblem(file, { path: ['tlsrpt', 'selector'], make })
}

function fileProblem(
  file: string,
  { path, make }: Pick<PathProblem, 'path'> & { readonly make: string },
): readonly PathProblem[] {
  const read = readKeyFile(file)
  if (read.ok) return []
  const wrong = `${keyFileProblemText(read.error, describeSystemError)}: ${file}`
  return [{ path, wrong, remedy: read.error === 'writable-by-others' ? 'chmod 600 it' : make }]
}
