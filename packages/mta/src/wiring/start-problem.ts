/**
 * Why the relay did not start, as facts. The command line makes sentences of them; everything that was opened
 * before the problem is closed again.
 */
import type { PolicyCacheOpenError } from '@hermetic/policy'
import type { ResultStoreOpenError } from '@hermetic/reporter'
import type { PreloadFileError } from '../local-policy/read-preload-file.ts'
import type { ListedNode } from '../nodes/standing.ts'
import type { RedisSpoolOpenError } from '../spool/adapters/redis-spool.ts'
import type { DirectoryLockError } from '../spool/adapters/sqlite-directory-lock.ts'
import type { SpoolOpenError } from '../spool/adapters/sqlite-schema.ts'

export type StartProblem =
  | { readonly kind: 'spool'; readonly error: SpoolOpenError }
  | { readonly kind: 'redis-spool'; readonly error: RedisSpoolOpenError | DirectoryLockError }
  | { readonly kind: 'policy-cache'; readonly error: PolicyCacheOpenError }
  | { readonly kind: 'result-store'; readonly error: ResultStoreOpenError }
  | { readonly kind: 'preload-list'; readonly path: string; readonly error: PreloadFileError }
  | { readonly kind: 'dkim-key'; readonly path: string; readonly detail: string }
  | { readonly kind: 'source-address'; readonly address: string; readonly error: unknown }
  | { readonly kind: 'certificate-authorities'; readonly path: string; readonly error: unknown }
  | { readonly kind: 'certificate'; readonly path: string; readonly error: unknown }
  | {
      readonly kind: 'listener'
      readonly name: string
      readonly address: string
      readonly port: number
      readonly error: unknown
    }
  | { readonly kind: 'node-id'; readonly directory: string; readonly error: unknown }
  /** Another process has the id of this data_dir, and lives. */
  | { readonly kind: 'node-taken'; readonly directory: string; readonly by: ListedNode }
  | { readonly kind: 'socketmap'; readonly place: string; readonly error: unknown }
  | { readonly kind: 'suppression'; readonly detail: string }
  | { readonly kind: 'metrics'; readonly address: string; readonly port: number; readonly error: unknown }
  | { readonly kind: 'api-tokens'; readonly path: string; readonly detail: string }
  | { readonly kind: 'api'; readonly address: string; readonly port: number; readonly error: unknown }
  | { readonly kind: 'control-socket'; readonly path: string; readonly error: unknown }
