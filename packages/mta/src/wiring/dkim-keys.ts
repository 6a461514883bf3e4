/** The keys of `[[dkim]]`, read at the start and at each reload: a key file that goes away in between stops nothing. */
import { err, ok, type Result } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { describeSystemError } from '../config/system-error.ts'
import { type BeginSignature, messageSigner } from '../signing/dkim.ts'
import type { SigningEvent } from '../signing/events.ts'
import type { SigningIdentity } from '../signing/identity.ts'
import { keyFileProblemText, readKeyFile } from '../signing/key-files.ts'
import type { Reloadable } from './reload.ts'
import type { StartProblem } from './start-problem.ts'

export interface DkimKeys extends Reloadable {
  /** Undefined: nothing is signed, and nothing will be. */
  readonly beginSignature: BeginSignature | undefined
}

export function openDkimKeys(config: Config, emit: (event: SigningEvent) => void): Result<DkimKeys, StartProblem> {
  const read = readIdentities(config, emit)
  if (!read.ok) return read
  for (const { domain, selector, key } of read.value) {
    emit({ event: 'dkim-key-loaded', domain, selector, algorithm: key.algorithm })
  }
  let sign = messageSigner(read.value)
  return ok({
    // The signer of the moment: who holds this one signs with other keys after a reload.
    beginSignature: read.value.length === 0 ? undefined : (header, facts) => sign(header, facts),
    prepare: (next) => {
      const other = readIdentities(next, emit)
      if (!other.ok) return err(`the DKIM key ${other.error.path} ${other.error.detail}`)
      return ok(() => {
        if (read.value.length === 0) return
        sign = messageSigner(other.value)
        emit({ event: 'dkim-keys-replaced', keys: other.value.length })
      })
    },
  })
}

function readIdentities(
  { dkim }: Config,
  emit: (event: SigningEvent) => void,
): Result<readonly SigningIdentity[], Extract<StartProblem, { readonly kind: 'dkim-key' }>> {
  const identities: SigningIdentity[] = []
  for (const { domain, selector, key_file: path, subdomains, canonicalization } of dkim) {
    const read = readKeyFile(path)
    if (!read.ok) {
      return err({ kind: 'dkim-key', path, detail: keyFileProblemText(read.error, describeSystemError) })
    }
    const { key, exposed } = read.value
    const [header, body] = FORMS[canonicalization]
    identities.push({ domain, selector, subdomains, header, body, key })
    if (exposed) emit({ event: 'dkim-key-exposed', path })
  }
  return ok(identities)
}

const FORMS = {
  'relaxed/relaxed': ['relaxed', 'relaxed'],
  'relaxed/simple': ['relaxed', 'simple'],
  'simple/relaxed': ['simple', 'relaxed'],
  'simple/simple': ['simple', 'simple'],
} as const
