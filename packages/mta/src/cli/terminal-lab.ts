/**
 * For tests: a command line run in a directory of its own, and everything that it printed.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommandLine } from './command-line.ts'

export interface Printed {
  readonly code: number
  readonly out: string
  readonly err: string
}

export class TerminalLab implements Disposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'hermetic-cli-'))
  /** UTC milliseconds; the clock of the terminal. */
  now = 2_000_000
  /** What the next run finds on standard input. */
  input: Uint8Array = new Uint8Array()
  /** Octets that runs have written to standard output. */
  readonly octets: Uint8Array[] = []
  errIsTerminal = false
  /** Variables of the next run. */
  env: Readonly<Record<string, string>> = {}

  file(name: string, text: string): string {
    const path = join(this.directory, name)
    writeFileSync(path, text, { mode: 0o600 })
    return path
  }

  async run(...args: readonly string[]): Promise<Printed> {
    let out = ''
    let err = ''
    const code = await runCommandLine(args, {
      out: (text) => {
        out += text
      },
      err: (text) => {
        err += text
      },
      env: this.env,
      workingDirectory: this.directory,
      columns: undefined,
      colours: false,
      now: () => this.now,
      streams: {
        input: () => ReadableStream.from([this.input]),
        output: async (octets) => void this.octets.push(octets),
        errIsTerminal: this.errIsTerminal,
      },
    })
    return { code, out, err }
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true })
  }
}
