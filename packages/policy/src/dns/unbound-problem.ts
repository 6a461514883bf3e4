/**
 * Why a private `unbound` does not answer, as facts. Pure.
 */
export type UnboundProblem =
  /** No program of this name on PATH or where distributions put it. */
  | { readonly kind: 'not-installed' }
  | { readonly kind: 'too-old'; readonly version: string; readonly oldest: string }
  /** It does not say its version: something else has this name. */
  | { readonly kind: 'no-version'; readonly program: string }
  /** Its private directory cannot be made or written. */
  | { readonly kind: 'directory'; readonly path: string; readonly code: string }
  | { readonly kind: 'cannot-run'; readonly program: string; readonly code: string }
  /** The file with the keys of the root holds none: a power cut, or a hand. */
  | { readonly kind: 'anchors-damaged'; readonly path: string }
  | ({ readonly kind: 'ended' } & UnboundEnd)
  /** It runs, and does not answer as the server that we started. */
  | { readonly kind: 'silent'; readonly lastWords: string }

export interface UnboundEnd {
  readonly code: number | null
  readonly signal: string | null
  /** The end of what it wrote, cleaned; it says which setting it refused or which address was taken. */
  readonly lastWords: string
}
