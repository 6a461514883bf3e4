/**
 * The header field with which an application names the kind of a message: `X-Hermetic-Tag`. It is for the relay alone and
 * does not leave with the message (SUB-28). Pure.
 */
import type { ParsedHeader } from './header.ts'
import { unfold } from './header.ts'

/** Lower case, as parsed headers have it. */
export const TAG_FIELD = 'x-hermetic-tag'

const TAG = /^[A-Za-z0-9._-]{1,64}$/

export function isTag(text: string): boolean {
  return TAG.test(text)
}

export type TagField =
  | { readonly kind: 'absent' }
  | { readonly kind: 'tag'; readonly tag: string }
  /** Repeated, or no tag: the message goes with the tag of its login. */
  | { readonly kind: 'unreadable' }

export function tagField({ fields }: ParsedHeader): TagField {
  const [first, ...more] = fields.filter(({ name }) => name === TAG_FIELD)
  if (first === undefined) return { kind: 'absent' }
  const tag = unfold(first.body)
  return more.length === 0 && isTag(tag) ? { kind: 'tag', tag } : { kind: 'unreadable' }
}
