/** The keys of `[[dkim]]`, read at the start and kept: a key file that goes away later stops nothing before a restart. */
import { err, ok, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { describeSystemError } from '../config/system-error.ts'
import { type BeginSignature, messageSigner } from '../signing/dkim.ts'
import type { SigningEvent } from '../signing/events.ts'
import type { SigningIdentity } from '../signing/identity.ts'
import { keyFileProblemText, readKeyFile } from '../signing/key-files.ts'
import type { StartProblem } from './start-problem.ts'

/** Undefined: nothing is signed. */
export function openDkimKeys(
  { dkim }: Config,
  emit: (event: SigningEvent) => void,
): Result<BeginSignature | undefined, StartProblem> {
  const identities: SigningIdentity[] = []
  for (const { domain, selector, key_file: path, subdomains, canonicalization } of dkim) {
    const read = readKeyFile(path)
    if (!read.ok) {
      return err({ kind: 'dkim-key', path, detail: keyFileProblemText(read.error, describeSystemError) })
    }
    const { key, exposed } = read.value
    const [header, body] = FORMS[canonicalization]
    identities.push({ domain, selector, subdomains, header, body, key })
    emit({ event: 'dkim-key-loaded', domain, selector, algorithm: key.algorithm })
    if (exposed) emit({ event: 'dkim-key-exposed', path })
  }
  return ok(identities.length === 0 ? undefined : messageSigner(identities))
}

const FORMS = {
  'relaxed/relaxed': ['relaxed', 'relaxed'],
  'relaxed/simple': ['relaxed', 'simple'],
  'simple/relaxed': ['simple', 'relaxed'],
  'simple/simple': ['simple', 'simple'],
} as const
