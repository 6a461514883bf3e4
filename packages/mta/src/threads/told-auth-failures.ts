/** Failed logins of all threads: each tells the others, so that guesses are counted together (RFC 4954 §9, SUB-08). */
import { AuthFailures } from '../submission/auth-failures.ts'

export class ToldAuthFailures extends AuthFailures {
  readonly #tell: (address: string, username: string) => void

  constructor(tell: (address: string, username: string) => void) {
    super()
    this.#tell = tell
  }

  override failed(address: string, username: string, now: number): void {
    super.failed(address, username, now)
    this.#tell(address, username)
  }

  /** In another thread. */
  heard(address: string, username: string, now: number): void {
    super.failed(address, username, now)
  }
}
