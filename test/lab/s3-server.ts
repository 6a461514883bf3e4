/** A local S3-compatible server (s3rver) of one test, with one bucket; it can be closed and opened again on its port. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import S3rver from 's3rver'
import type { S3Place } from '../../packages/mta/src/spool/adapters/s3-bucket.ts'

export interface S3Server extends AsyncDisposable {
  readonly place: S3Place
  /** Where it keeps objects: `<bucket>/<name>._S3rver_object`. */
  readonly directory: string
  close(): Promise<void>
  open(): Promise<void>
}

const BUCKET = 'mail'
/** The only login that it knows. */
const LOGIN = 'S3RVER'

export async function startS3(): Promise<S3Server> {
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-s3-'))
  let port = 0
  let server: S3rver | undefined
  const open = async (): Promise<void> => {
    const options = { address: '127.0.0.1', port, silent: true, directory, configureBuckets: [{ name: BUCKET }] }
    server = new S3rver(options)
    port = (await server.run()).port
  }
  const close = async (): Promise<void> => {
    const one = server
    server = undefined
    const closed = one?.close()
    // Whoever keeps a connection alive would keep it from closing.
    one?.httpServer.closeAllConnections()
    await closed
  }
  await open()
  return {
    place: {
      ...{ endpoint: `http://127.0.0.1:${port}`, bucket: BUCKET, prefix: 'relay/', region: 'us-east-1' },
      ...{ accessKeyId: LOGIN, secretAccessKey: LOGIN },
    },
    directory,
    open,
    close,
    [Symbol.asyncDispose]: async () => {
      await close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
