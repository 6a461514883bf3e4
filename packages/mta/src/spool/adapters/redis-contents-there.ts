/** Whether the place of contents is still the queue's: a directory may be unmounted, a bucket may be away. */
import type { MarkedPlace } from './redis-content-owner.ts'

interface KnownPlace {
  readonly place: MarkedPlace
  /** Undefined: nothing is known of this queue yet. */
  readonly mark?: string | undefined
}

/** Without it large mail would look damaged, one message after the other. */
export async function contentsAreThere({ mark, place }: KnownPlace): Promise<boolean> {
  return mark === undefined || (await place.isMarked(mark))
}

interface NamedPlace {
  readonly options: { readonly contentDir: string }
  readonly bucket: { readonly where: string } | undefined
}

export async function requireContents(ground: KnownPlace & NamedPlace): Promise<void> {
  if (await contentsAreThere(ground)) return
  throw new Error(awayText(ground))
}

export function awayText({ options, bucket }: NamedPlace): string {
  if (bucket !== undefined) return `${bucket.where} has no mark of this queue now: was it emptied?`
  return `${options.contentDir} is not the content_dir of this queue now: is it mounted?`
}
