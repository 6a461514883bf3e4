/** What the key of report mails tells operators; `observability/` renders the union. */
export type ReportKeyEvent =
  /** No key signs for the domain of contact: no report goes by mail (RPT-79). */
  | { readonly event: 'tlsrpt-key-missing'; readonly domain: string }
  /** Everybody on this machine may read the private key. */
  | { readonly event: 'tlsrpt-key-exposed'; readonly path: string }
  /** What DNS says of a key that signs reports, at the start and daily (RPT-81). */
  | {
      readonly event: 'tlsrpt-key-checked'
      readonly name: string
      /** The record says that signing is only tested. */
      readonly testing: boolean
    }
  | { readonly event: 'tlsrpt-key-wrong'; readonly name: string; readonly faults: string }
  | { readonly event: 'tlsrpt-key-unknown'; readonly name: string; readonly reason: string }
