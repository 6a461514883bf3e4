/** What the API tells operators. A closed list; rendered in `observability/`. */

export type ApiEvent =
  | { readonly event: 'api-tokens-loaded'; readonly count: number }
  /** The last good ones stay in force. */
  | { readonly event: 'api-tokens-unreadable'; readonly path: string; readonly detail: string }
  /** Somebody changed something, or tried to; all of it is in the audit. */
  | {
      readonly event: 'api-ordered'
      readonly operation: string
      readonly token: string
      readonly client: string
      /** HTTP status. */
      readonly status: number
      readonly messages?: number | undefined
    }
  | { readonly event: 'api-refused'; readonly because: ApiRefusal; readonly client: string; readonly token?: string }
  /** Nothing is ordered while it cannot be written. */
  | { readonly event: 'api-audit-failed'; readonly path: string; readonly detail: string }

/** Who was not served, of those who should hear of it. */
export type ApiRefusal = 'no-token' | 'unknown-token' | 'role' | 'host' | 'too-many-failures' | 'rate' | 'busy'
