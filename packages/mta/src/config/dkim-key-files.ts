/** Whether the keys of `[[dkim]]` can be used. Reads the files. */
import { keyFileProblemText, readKeyFile } from '../signing/key-files.ts'
import type { PathProblem } from './issues.ts'
import { describeSystemError } from './system-error.ts'

interface Keys {
  readonly dkim: readonly { readonly domain: string; readonly selector: string; readonly key_file: string }[]
}

export function dkimKeyFileProblems({ dkim }: Keys): readonly PathProblem[] {
  return dkim.flatMap(({ domain, selector, key_file: file }, index) => {
    const read = readKeyFile(file)
    if (read.ok) return []
    const wrong = `${keyFileProblemText(read.error, describeSystemError)}: ${file}`
    const remedy =
      read.error === 'writable-by-others'
        ? 'chmod 600 it'
        : `name a key that can be used, or make one: hermetic dkim keygen ${domain} ${selector}`
    return [{ path: ['dkim', index, 'key_file'], wrong, remedy }]
  })
}
