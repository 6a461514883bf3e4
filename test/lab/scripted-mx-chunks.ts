/**
 * BDAT as the scripted mail exchanger takes it (RFC 3030 §2): octets by count, and nothing but RSET after a chunk that
 * failed. Knows no sockets.
 */
const BDAT = /^BDAT (\d{1,10})( LAST)?$/i

export class MxChunks {
  #taken: Buffer[] = []
  #due: { readonly line: string; readonly octets: number } | undefined
  #failed = false

  /** A chunk of this transaction has come, or has failed. */
  get begun(): boolean {
    return this.#failed || this.#taken.length > 0
  }

  /** False: this is no BDAT command. */
  command(line: string): boolean {
    const octets = BDAT.exec(line)?.[1]
    this.#due = octets === undefined ? undefined : { line, octets: Number(octets) }
    return this.#due !== undefined
  }

  get reading(): boolean {
    return this.#due !== undefined
  }

  /** The command line once its octets are there, and how many they were. */
  take(pending: Buffer): { readonly line: string; readonly octets: number } | undefined {
    const due = this.#due
    if (due === undefined || pending.length < due.octets) return undefined
    this.#due = undefined
    this.#taken.push(pending.subarray(0, due.octets))
    return due
  }

  get content(): Buffer {
    return Buffer.concat(this.#taken)
  }

  answer(line: string, { mail, recipients }: { readonly mail: boolean; readonly recipients: number }): string {
    if (!mail || this.#failed) return '503 5.5.1 not now'
    if (recipients === 0) return '554 5.5.1 no valid recipients'
    return isLast(line) ? '250 2.0.0 accepted' : '250 2.0.0 octets received'
  }

  answered(code: string): void {
    if (!code.startsWith('2')) this.#failed = true
  }

  forget(): void {
    this.#taken = []
    this.#failed = false
  }
}

export function isLast(line: string): boolean {
  return / LAST$/i.test(line)
}
