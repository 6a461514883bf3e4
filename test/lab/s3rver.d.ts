/** What the tests use of s3rver, which has no types of its own. */
declare module 's3rver' {
  interface Options {
    readonly address: string
    readonly port: number
    readonly silent: boolean
    readonly directory: string
    readonly configureBuckets: readonly { readonly name: string }[]
  }
  class S3rver {
    constructor(options: Options)
    readonly httpServer: { closeAllConnections(): void }
    run(): Promise<{ readonly port: number }>
    close(): Promise<void>
  }

  export = S3rver
}
