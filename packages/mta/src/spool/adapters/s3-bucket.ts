/**
 * A bucket of an S3-compatible store, as far as contents need it: objects put whole or in parts, read as a stream,
 * listed and removed. Path-style addresses; requests are signed, each with an end. Knows names and octets, no mail.
 */
import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { AwsClient } from 'aws4fetch'
import { errorCode } from '../durable-file.ts'
import { S3_PATIENCE, type S3Patience, S3Wait } from './s3-wait.ts'

export interface S3Place {
  /** `https://…`, without the bucket. */
  readonly endpoint: string
  readonly bucket: string
  /** What all names begin with; ends with a slash, or is empty. */
  readonly prefix: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface S3Object {
  readonly name: string
  /** How old it is by the store's own clock. */
  readonly ageMs: number
}

/** Also the least that S3 takes for a part which is not the last. */
const PART_BYTES = 8 * 1024 * 1024
/** Each holds one part in memory. */
const UPLOADS_AT_ONCE = 4
const KEYS_PER_PAGE = 1000

/** The store's own code (`NoSuchKey`), or what became of the request. */
export class S3Failed extends Error {
  override readonly name = 'S3Failed'
  readonly code: string
  /** The code, and what the system says below it. */
  readonly detail: string

  constructor(code: string, options?: ErrorOptions) {
    const below = options?.cause instanceof Error ? options.cause.cause : undefined
    const detail = below === undefined ? code : `${code} (${errorCode(below)})`
    super(`S3: ${detail}`, options)
    this.detail = detail
    this.code = code
  }
}

export class S3Bucket {
  readonly #place: S3Place
  readonly #client: AwsClient
  readonly #patience: S3Patience
  readonly #waiting: (() => void)[] = []
  #uploads = 0

  constructor(place: S3Place, patience: S3Patience = S3_PATIENCE) {
    this.#place = place
    this.#patience = patience
    const { region, accessKeyId, secretAccessKey } = place
    // Repetitions are the caller's: mail that waits is tried again anyway.
    this.#client = new AwsClient({ accessKeyId, secretAccessKey, region, service: 's3', retries: 0 })
  }

  /** For people. */
  get where(): string {
    const { endpoint, bucket, prefix } = this.#place
    return `${endpoint}/${bucket}/${prefix}`
  }

  /** The store has it when this resolves. */
  async putFile(name: string, path: string): Promise<void> {
    await this.#uploadTurn(async () => {
      const file = await open(path, 'r')
      try {
        const { size } = await file.stat()
        const part = async (at: number): Promise<Uint8Array> => {
          const bytes = Buffer.alloc(Math.min(PART_BYTES, size - at))
          const { bytesRead } = await file.read(bytes, 0, bytes.length, at)
          return bytes.subarray(0, bytesRead)
        }
        if (size <= PART_BYTES) await this.put(name, await part(0))
        else await this.#putParts(name, size, part)
      } finally {
        await file.close()
      }
    })
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.#asked('PUT', name, { body: bytes })
  }

  /** Rejects with `NoSuchKey` when there is none; as slow as a large object may be, never silent. */
  async get(name: string): Promise<AsyncIterable<Uint8Array>> {
    const wait = new S3Wait(this.#patience)
    try {
      const { body, headers } = await this.#answer('GET', name, { wait })
      if (body === null) throw new S3Failed('no body')
      wait.answered(Number(headers.get('content-length') ?? 0))
      return heard(body, wait)
    } catch (error) {
      wait.end()
      throw error
    }
  }

  async remove(name: string): Promise<void> {
    await this.#asked('DELETE', name, {})
  }

  async list(begin: string): Promise<readonly S3Object[]> {
    const found: S3Object[] = []
    const { prefix } = this.#place
    for (let token: string | undefined = ''; token !== undefined; ) {
      const query = new URLSearchParams({
        'list-type': '2',
        prefix: `${prefix}${begin}`,
        'max-keys': String(KEYS_PER_PAGE),
      })
      if (token !== '') query.set('continuation-token', token)
      const { text, date } = await this.#asked('GET', undefined, { query: queryText(query) })
      for (const [, entry = ''] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
        const modifiedAt = Date.parse(tagged(entry, 'LastModified') ?? '')
        found.push({ name: (tagged(entry, 'Key') ?? '').slice(prefix.length), ageMs: date - modifiedAt })
      }
      token = tagged(text, 'IsTruncated') === 'true' ? tagged(text, 'NextContinuationToken') : undefined
    }
    return found
  }

  /** The first of all names. */
  async first(): Promise<string | undefined> {
    const { prefix } = this.#place
    const query = new URLSearchParams({ 'list-type': '2', prefix, 'max-keys': '1' })
    const { text } = await this.#asked('GET', undefined, { query: queryText(query) })
    return tagged(text, 'Key')?.slice(prefix.length)
  }

  async #putParts(name: string, size: number, part: (at: number) => Promise<Uint8Array>): Promise<void> {
    const { text } = await this.#asked('POST', name, { query: 'uploads=' })
    const upload = encodeURIComponent(tagged(text, 'UploadId') ?? '')
    try {
      const parts: string[] = []
      for (let at = 0; at < size; at += PART_BYTES) {
        const number = parts.length + 1
        const query = `partNumber=${number}&uploadId=${upload}`
        const { etag } = await this.#asked('PUT', name, { query, body: await part(at) })
        parts.push(`<Part><PartNumber>${number}</PartNumber><ETag>${etag}</ETag></Part>`)
      }
      const body = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
      const done = await this.#asked('POST', name, { query: `uploadId=${upload}`, body })
      // A completion that fails late is answered 200 with an error in its body.
      const code = /<Error>/.test(done.text) ? (tagged(done.text, 'Code') ?? 'unknown') : undefined
      if (code !== undefined) throw new S3Failed(code)
    } catch (error) {
      await this.#asked('DELETE', name, { query: `uploadId=${upload}` }).catch(() => undefined)
      throw error
    }
  }

  async #asked(method: string, name: string | undefined, words: Omit<Words, 'wait'>) {
    const wait = new S3Wait(this.#patience)
    try {
      const response = await this.#answer(method, name, { ...words, wait })
      const text = await response.text()
      const date = Date.parse(response.headers.get('date') ?? '')
      return { text, etag: response.headers.get('etag') ?? '', date: Number.isNaN(date) ? Date.now() : date }
    } catch (error) {
      throw error instanceof S3Failed ? error : broken(error, wait)
    } finally {
      wait.end()
    }
  }

  async #answer(method: string, name: string | undefined, { query, body, wait }: Words): Promise<Response> {
    const { endpoint, bucket, prefix } = this.#place
    const path = name === undefined ? '' : `/${prefix}${name}`.split('/').map(encodeURIComponent).join('/')
    const url = `${endpoint}/${bucket}${path}${query === undefined ? '' : `?${query}`}`
    let response: Response
    try {
      const headers = {
        'x-amz-content-sha256': createHash('sha256')
          .update(body ?? '')
          .digest('hex'),
      }
      response = await this.#client.fetch(url, {
        ...{ method, headers, signal: wait.signal, redirect: 'manual' },
        ...(body === undefined ? {} : { body: Buffer.from(body) }),
      })
    } catch (error) {
      throw new S3Failed(wait.isOver ? 'no answer' : 'no connection', { cause: error })
    }
    if (response.ok) return response
    const text = await response.text().catch(() => '')
    throw new S3Failed(tagged(text, 'Code') ?? `HTTP ${response.status}`)
  }

  async #uploadTurn(upload: () => Promise<void>): Promise<void> {
    if (this.#uploads >= UPLOADS_AT_ONCE) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    else this.#uploads += 1
    try {
      await upload()
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#uploads -= 1
      else next()
    }
  }
}

interface Words {
  readonly query?: string
  readonly body?: Uint8Array
  readonly wait: S3Wait
}

/** A space as `%20`, which no store takes for a plus. */
function queryText(query: URLSearchParams): string {
  return query.toString().replaceAll('+', '%20')
}

async function* heard(body: AsyncIterable<Uint8Array>, wait: S3Wait): AsyncGenerator<Uint8Array> {
  try {
    for await (const chunk of body) {
      yield chunk
      wait.heard()
    }
  } catch (error) {
    throw broken(error, wait)
  } finally {
    wait.end()
  }
}

function broken(error: unknown, wait: S3Wait): S3Failed {
  return new S3Failed(wait.isOver ? 'no answer' : 'connection lost', { cause: error })
}

/** The text of the first element of this name; S3 writes no attributes, and escapes little. */
function tagged(xml: string, name: string): string | undefined {
  const [, text] = new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(xml) ?? []
  return text?.replaceAll('&quot;', '"').replaceAll('&amp;', '&')
}
