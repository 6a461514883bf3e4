/**
 * The preload list that a running relay goes by: read at the start and again when its file changed. A file that became
 * unusable keeps the last good list in force, which ends at its own date all the same (`isOver` in the policy package).
 */
import { statSync } from 'node:fs'
import { err, ok, type PreloadList, type Result } from '@hermetic/policy'
import type { LocalPolicyEvent } from './events.ts'
import { EXPIRING_MS } from './override-watch.ts'
import { type PreloadFileError, preloadErrorText, readPreloadFile } from './read-preload-file.ts'

export interface PreloadFileOptions {
  readonly path: string
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: LocalPolicyEvent) => void
}

export class PreloadFile {
  readonly path: string
  readonly #options: PreloadFileOptions
  #list: PreloadList
  #state: string
  #told: 'nothing' | 'expiring' | 'expired' = 'nothing'

  static open(options: PreloadFileOptions): Result<PreloadFile, PreloadFileError> {
    const state = stateOf(options.path)
    const read = readPreloadFile(options.path)
    return read.ok ? ok(new PreloadFile(options, { list: read.value, state })) : err(read.error)
  }

  /** Use `open`. */
  private constructor(
    options: PreloadFileOptions,
    { list, state }: { readonly list: PreloadList; readonly state: string },
  ) {
    this.path = options.path
    this.#options = options
    this.#list = list
    this.#state = state
  }

  get list(): PreloadList {
    return this.#list
  }

  /** At the start. */
  tell(): void {
    const { path, emit } = this.#options
    const { entries, expiresAt } = this.#list
    emit({
      event: 'preload-list-loaded',
      path,
      domains: entries.size,
      ...(expiresAt === undefined ? {} : { expiresAt }),
    })
    this.#told = 'nothing'
    this.#tellEnd()
  }

  /** Every minute or so. */
  look(): void {
    const { path, emit } = this.#options
    const state = stateOf(path)
    const read = state === this.#state ? undefined : readPreloadFile(path)
    this.#state = state
    if (read?.ok) {
      this.#list = read.value
      this.tell()
      return
    }
    if (read !== undefined) emit({ event: 'preload-list-unusable', path, detail: preloadErrorText(read.error) })
    this.#tellEnd()
  }

  #tellEnd(): void {
    const { path, now, emit } = this.#options
    const { expiresAt } = this.#list
    if (expiresAt === undefined) return
    const left = expiresAt - now()
    if (left <= 0 && this.#told !== 'expired') {
      this.#told = 'expired'
      emit({ event: 'preload-list-expired', path, expiresAt })
    } else if (left > 0 && left <= EXPIRING_MS && this.#told === 'nothing') {
      this.#told = 'expiring'
      emit({ event: 'preload-list-expiring', path, expiresAt })
    }
  }
}

/** Another file, or another content: editors replace, tools write over. */
function stateOf(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false })
  return found === undefined ? 'absent' : `${found.ino} ${found.size} ${found.mtimeMs}`
}
