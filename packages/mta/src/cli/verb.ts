/**
 * What a verb of the command line is, and what it may touch. Each verb is one file that exports one.
 */

export interface Verb {
  /** One line, for the list of verbs. */
  readonly summary: string
  /** All that `--help` prints. */
  readonly help: string
  /** Answers the exit code; what the user did wrong is thrown as `UsageError`. */
  run(args: readonly string[], terminal: Terminal): Promise<number>
}

/** The world of a verb: handed in, so that tests can look at it. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
  readonly env: Readonly<Record<string, string | undefined>>
  readonly workingDirectory: string
  /** Undefined when the output is no terminal: lines are then never cut. */
  readonly columns: number | undefined
  readonly colours: boolean
  /** UTC milliseconds. */
  now(): number
  /** Absent: there is only text. */
  readonly streams?: TerminalStreams
}

export interface TerminalStreams {
  /** Standard input as it comes. */
  input(): AsyncIterable<Uint8Array>
  /** To standard output; awaited before the next. */
  output(octets: Uint8Array): Promise<void>
  /** Somebody reads standard error as it is written. */
  readonly errIsTerminal: boolean
}

/** The command line was not understood; the message says what to write. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Something that the user can mend stands in the way; the message is all that is printed. */
export class UserError extends Error {
  override readonly name = 'UserError'
}

/** Documented in `hermetic --help`; scripts and systemd rely on them. */
export const EXIT = {
  done: 0,
  /** Something failed, or a check found something wrong. */
  failed: 1,
  usage: 2,
  /** sysexits(3) EX_CONFIG: a restart will not help (systemd: RestartPreventExitStatus=78). */
  configuration: 78,
} as const
