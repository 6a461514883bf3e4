/** Which bucket `[queue]` names for contents; its secret stays wrapped until somebody connects. Pure. */
import type { Secret } from './secret.ts'

export interface ContentBucket {
  readonly endpoint: string
  readonly bucket: string
  /** Ends with a slash, or is empty. */
  readonly prefix: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: Secret
}

/** As `[queue]` has it. */
interface WrittenBucket {
  readonly content_url?: string | undefined
  readonly s3_endpoint?: string | undefined
  readonly s3_region?: string | undefined
  readonly s3_access_key_id?: string | undefined
  readonly s3_secret_access_key?: Secret | undefined
}

/** Undefined: none is named, or not completely (`queue-rules.ts` says what is missing). */
export function contentBucket(read: WrittenBucket): ContentBucket | undefined {
  const { content_url, s3_region: region = 'us-east-1', s3_access_key_id, s3_secret_access_key } = read
  const [, bucket, path = ''] = /^s3:\/\/([^/]+)\/?(.*?)\/*$/.exec(content_url ?? '') ?? []
  if (bucket === undefined || s3_access_key_id === undefined || s3_secret_access_key === undefined) return undefined
  return {
    ...{ bucket, region, accessKeyId: s3_access_key_id, secretAccessKey: s3_secret_access_key },
    endpoint: read.s3_endpoint ?? `https://s3.${region}.amazonaws.com`,
    prefix: path === '' ? '' : `${path}/`,
  }
}

/** For whoever connects. */
export function revealedBucket(bucket: ContentBucket): Omit<ContentBucket, 'secretAccessKey'> & {
  readonly secretAccessKey: string
} {
  return { ...bucket, secretAccessKey: bucket.secretAccessKey.reveal() }
}

/** For people. */
export function bucketPlace({ endpoint, bucket, prefix }: ContentBucket): string {
  return `${endpoint}/${bucket}/${prefix}`
}
