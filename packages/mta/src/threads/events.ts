/** What the owner of threads tells operators. A closed list; rendered in `observability/`. */
export type ThreadEvent =
  | { readonly event: 'threads-started'; readonly threads: number }
  /** By a defect, or for want of memory. `messages`: how many it was delivering. */
  | {
      readonly event: 'thread-died'
      readonly thread: number
      readonly detail: string
      readonly messages: number
      readonly replacedInMs: number
    }
  /** Another one works in its place. */
  | { readonly event: 'thread-replaced'; readonly thread: number }
  /** Something that cannot cross threads. */
  | { readonly event: 'thread-defect'; readonly thread: number; readonly detail: string }
