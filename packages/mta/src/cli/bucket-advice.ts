/** What to do when a bucket cannot be used, by the code of what failed: which setting, or which right. Pure. */

/** Codes of S3 ("Error responses", API reference), and those of our own for what the network did. */
const ADVICE: Readonly<Record<string, string>> = {
  NoSuchBucket: 'make the bucket, or correct [queue] content_url',
  InvalidBucketName: 'correct [queue] content_url',
  InvalidAccessKeyId: 'correct [queue] s3_access_key_id',
  SignatureDoesNotMatch: 'correct [queue] s3_secret_access_key, or s3_region',
  AuthorizationHeaderMalformed: 'correct [queue] s3_region',
  PermanentRedirect: 'correct [queue] s3_region, or s3_endpoint',
  RequestTimeTooSkewed: 'set the clock of this machine',
  AccessDenied: 'allow the key to list, put, get and delete objects below the prefix',
  'no connection': 'check that the store runs, and [queue] s3_endpoint',
  'no answer': 'check the store, and the network to it',
  'connection lost': 'check the store, and the network to it',
}

export function bucketAdvice(code: string): string {
  return ADVICE[code] ?? 'the documents of the store say what its code means; [queue] s3_endpoint names the store'
}
