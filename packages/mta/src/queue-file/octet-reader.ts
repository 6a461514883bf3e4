/** Lines and counted octets out of a stream of chunks, and how far it has come. Knows no form. */

export class OctetReader {
  readonly #chunks: AsyncIterator<Uint8Array>
  #left: Buffer = Buffer.alloc(0)
  #ended = false
  #at = 0

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.#chunks = chunks[Symbol.asyncIterator]()
  }

  /** Octets taken so far. */
  get at(): number {
    return this.#at
  }

  async isAtEnd(): Promise<boolean> {
    while (this.#left.length === 0) if (!(await this.#more())) return true
    return false
  }

  /** With its line feed; undefined when the stream ends before, or when there is none in so many octets. */
  async line(max: number): Promise<Buffer | undefined> {
    for (let looked = 0; ; ) {
      const end = this.#left.indexOf(0x0a, looked)
      if (end >= 0 && end < max) return this.#taken(end + 1)
      looked = this.#left.length
      if (end >= 0 || looked >= max || !(await this.#more())) return undefined
    }
  }

  /** Undefined when the stream ends before. */
  async exactly(count: number): Promise<Buffer | undefined> {
    if (this.#left.length < count) await this.#gather(count)
    return this.#left.length < count ? undefined : this.#taken(count)
  }

  /** Some of the next octets, at most so many; undefined when the stream has ended. */
  async some(max: number): Promise<Buffer | undefined> {
    if (await this.isAtEnd()) return undefined
    return this.#taken(Math.min(max, this.#left.length))
  }

  #taken(count: number): Buffer {
    const taken = this.#left.subarray(0, count)
    this.#left = this.#left.subarray(count)
    this.#at += count
    return taken
  }

  /** All at once at the end: growing by chunk would copy the beginning again and again. */
  async #gather(count: number): Promise<void> {
    const parts = [this.#left]
    for (let octets = this.#left.length; octets < count; octets += parts.at(-1)?.length ?? 0) {
      this.#left = Buffer.alloc(0)
      if (!(await this.#more())) break
      parts.push(this.#left)
    }
    this.#left = Buffer.concat(parts)
  }

  async #more(): Promise<boolean> {
    if (this.#ended) return false
    const next = await this.#chunks.next()
    if (next.done === true) {
      this.#ended = true
      return false
    }
    const { buffer, byteOffset, byteLength } = next.value
    const chunk = Buffer.from(buffer, byteOffset, byteLength)
    this.#left = this.#left.length === 0 ? chunk : Buffer.concat([this.#left, chunk])
    return true
  }
}
