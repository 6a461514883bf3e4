/**
 * Progress of something long: one line that is written again and again on a terminal, a line now and then in a pipe.
 * Nothing for what is done at once.
 */
import type { Terminal } from './verb.ts'

const TERMINAL_MS = 100
const PIPE_MS = 5_000
const CLEAR_LINE = '\r\u001b[K'

export class Progress {
  readonly #terminal: Terminal
  readonly #everyMs: number
  readonly #isTerminal: boolean
  readonly #mono: () => number
  #next: number
  #shown = false

  constructor(terminal: Terminal, mono: () => number = () => performance.now()) {
    this.#terminal = terminal
    this.#mono = mono
    this.#isTerminal = terminal.streams?.errIsTerminal === true
    this.#everyMs = this.#isTerminal ? TERMINAL_MS : PIPE_MS
    this.#next = mono() + this.#everyMs
  }

  /** The text is made only when it is shown. */
  tell(text: () => string): void {
    const now = this.#mono()
    if (now < this.#next) return
    this.#next = now + this.#everyMs
    this.#shown = true
    this.#terminal.err(this.#isTerminal ? `${CLEAR_LINE}${text()}` : `${text()}\n`)
  }

  /** Before anything else is printed. */
  end(): void {
    if (this.#shown && this.#isTerminal) this.#terminal.err(CLEAR_LINE)
    this.#shown = false
  }
}
