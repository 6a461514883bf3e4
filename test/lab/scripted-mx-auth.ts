/**
 * AUTH as the scripted mail exchanger has it (RFC 4954 §4, RFC 4616): PLAIN with and without initial response, and
 * nothing without a login when it wants one. Knows no sockets.
 */
export interface MxCredentials {
  readonly username: string
  readonly password: string
}

export class MxAuth {
  readonly #wanted: MxCredentials | undefined
  #username: string | undefined
  /** 334 was said: the next line is a response, whatever it looks like. */
  #asked = false

  /** Without credentials AUTH is not offered, and nobody needs it. */
  constructor(wanted: MxCredentials | undefined) {
    this.#wanted = wanted
  }

  get asked(): boolean {
    return this.#asked
  }

  /** Who has logged in. */
  get username(): string | undefined {
    return this.#username
  }

  get offered(): readonly string[] {
    return this.#wanted === undefined ? [] : ['AUTH LOGIN PLAIN']
  }

  /** What a command before the login is told (RFC 4954 §6). */
  get refusal(): string | undefined {
    return this.#wanted === undefined || this.#username !== undefined ? undefined : '530 5.7.0 log in first'
  }

  /** To an AUTH command, or to the response after a 334. */
  answer(line: string): string {
    if (this.#wanted === undefined) return '503 5.5.1 no AUTH here'
    if (/^AUTH PLAIN$/i.test(line)) return '334 '
    const { username, password } = this.#wanted
    const wanted = Buffer.from(`\0${username}\0${password}`).toString('base64')
    return responseOf(line) === wanted ? '235 2.7.0 welcome' : '535 5.7.8 no such credentials'
  }

  /** What the answer that was given, by script or not, does to the exchange. */
  answered(line: string, code: string): void {
    this.#asked = code === '334'
    if (code === '235') this.#username = Buffer.from(responseOf(line), 'base64').toString().split('\0')[1]
  }
}

function responseOf(line: string): string {
  return line.replace(/^AUTH PLAIN /i, '')
}
