/**
 * Every bound on what a client of ours may cost, each with its source. Durations are monotonic milliseconds.
 * Tests hand in smaller ones; operators change the few that the configuration names.
 */
export interface SubmissionLimits {
  /** Sessions of this listener, and those that one address may hold at once. */
  readonly sessionsMax: number
  readonly sessionsPerAddressMax: number
  readonly recipientsMax: number
  readonly messageBytesMax: number
  readonly headerBytesMax: number
  readonly receivedFieldsMax: number
  readonly commandLineBytesMax: number
  readonly authLineBytesMax: number
  /** Refused commands since the last accepted message before the session ends. */
  readonly badCommandsMax: number
  /** Commands since the last accepted message, whatever they were. */
  readonly commandsPerMessageMax: number
  readonly commandsBeforeAuthMax: number
  readonly idleMs: number
  /** From the first byte of a command line to its end. */
  readonly commandLineMs: number
  readonly tlsHandshakeMs: number
  /** Content may start slowly; from here on its average rate counts. */
  readonly contentGraceMs: number
  readonly contentBytesPerSecondMin: number
  /** From DATA to the final dot. */
  readonly contentMs: number
  /** For each step of the content sink that a client waits for. */
  readonly stagingStepMs: number
  /** Relay listeners wait this long before they greet; who talks earlier is refused. */
  readonly earlyTalkerDelayMs: number
  /** AUTH failures that one session sees answered; the next AUTH ends it. */
  readonly authFailuresPerSessionMax: number
}

const KIB = 1024
const MIB = 1024 * KIB
const SECOND = 1000
const MINUTE = 60 * SECOND

export const DEFAULT_SUBMISSION_LIMITS: SubmissionLimits = {
  // One descriptor, about 30 KiB of memory and, at worst, one message in flight each.
  sessionsMax: 1000,
  // Four times what Postfix allows a client; applications pool their connections behind one address.
  sessionsPerAddressMax: 200,
  // RFC 5321 §4.5.3.1.8 wants at least 100.
  recipientsMax: 1000,
  // RFC 5321 §4.5.3.1.7 wants at least 64 KiB; large mail providers take 25 to 50 MB.
  messageBytesMax: 50 * MIB,
  headerBytesMax: 256 * KIB,
  // RFC 5321 §6.3: a loop is not assumed below 100.
  receivedFieldsMax: 100,
  // RFC 5321 §4.5.3.1.4 (512) with RFC 3461 §5.4 (1036), RFC 4954 §5 (+500), RFC 6531 §3.1 (+10), RFC 8689 §2 (+11).
  commandLineBytesMax: 2 * KIB,
  // RFC 4954 §4.
  authLineBytesMax: 12_288,
  // As Postfix's smtpd_hard_error_limit.
  badCommandsMax: 20,
  // Twice the recipients and a hundred commands of other kinds (Postfix's smtpd_junk_command_limit).
  commandsPerMessageMax: 2_100,
  commandsBeforeAuthMax: 50,
  // RFC 5321 §4.5.3.2.7.
  idleMs: 5 * MINUTE,
  commandLineMs: MINUTE,
  tlsHandshakeMs: 30 * SECOND,
  // RFC 5321 §4.5.3.2.5 lets a client take 3 minutes for one block.
  contentGraceMs: 5 * MINUTE,
  contentBytesPerSecondMin: 500,
  contentMs: 60 * MINUTE,
  // RFC 6409 §5.3 gives an answer 2 minutes: the last write, the sync of the file and the spool's minute fit in.
  stagingStepMs: 25 * SECOND,
  // Public exchangers wait for 5 s and more; the clients of a relay are known ones, so a hint is enough.
  earlyTalkerDelayMs: 250,
  // RFC 4954 §4: at least 3.
  authFailuresPerSessionMax: 3,
}
