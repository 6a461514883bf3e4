/** Why `tlsrpt.db` cannot be opened, in the user's words. Pure. */
import { assertNever } from '@hermetic/policy'
import type { ResultStoreOpenError } from '@hermetic/reporter'

export function resultStoreProblemText(error: ResultStoreOpenError): string {
  switch (error.kind) {
    case 'locked':
      return `another process uses ${error.path}; stop it first, or name another data_dir`
    case 'foreign-file':
      return `${error.path} holds no results of Hermetic; nothing was changed. Name another data_dir, or move the file away`
    case 'newer-schema':
      return (
        `${error.path} was written by a newer Hermetic (schema ${error.found}, this one knows ${error.supported}); ` +
        'nothing was changed. Run the newer version'
      )
    case 'not-a-file':
      return `${error.path} is not a file; move it away, or name another data_dir`
    case 'unusable-directory':
      return `${error.path} cannot be used (${error.detail}); it must be a file that this user may write`
    case 'store-failed':
      return (
        `${error.path} cannot be opened: ${error.detail}. Where the file is damaged, move it away: what was counted and not ` +
        'yet reported is lost, no mail'
      )
    default:
      return assertNever(error)
  }
}
