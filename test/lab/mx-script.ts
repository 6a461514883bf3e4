/**
 * What a test says to the scripted mail exchanger, and what it finds there afterwards: the words of
 * `scripted-mx.ts` and its sessions.
 */

/** `CONNECT` is the greeting, `BDAT` a chunk that is there, `AUTH` also the response after a 334, `CONTENT` the first bytes after 354, `DOT` the end of the content. */
export type MxVerb =
  | 'CONNECT'
  | 'EHLO'
  | 'HELO'
  | 'STARTTLS'
  | 'AUTH'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'CONTENT'
  | 'DOT'
  | 'BDAT'
  | 'RSET'
  | 'NOOP'
  | 'QUIT'
  | 'OTHER'

/** What the server is about to answer. */
export interface MxStep {
  readonly verb: MxVerb
  /** The command line without its CRLF; empty for CONNECT, CONTENT and DOT. */
  readonly line: string
  /** 1 for the first connection to this server. */
  readonly connection: number
  /** Transactions begun on this connection, this one included once MAIL is answered; 1 for the first. */
  readonly transaction: number
  readonly inTls: boolean
  /** RCPT only: the address without angle brackets. */
  readonly recipient?: string
  /** RCPT only: how many this transaction has accepted so far. */
  readonly acceptedRecipients: number
  /** DOT, and BDAT with LAST: what arrived. */
  readonly message?: ReceivedMessage
}

export interface MxAction {
  /** The whole reply, one entry per line without CRLF; absent with `raw`, `endless` or `silent`. */
  readonly reply?: string | readonly string[]
  /** These bytes in place of a reply, nothing added. */
  readonly raw?: string | Buffer
  /** This text again and again until the peer goes away. */
  readonly endless?: string
  /** No reply at all. */
  readonly silent?: boolean
  readonly delayMs?: number
  /** The reply leaves in pieces of this many bytes. */
  readonly drip?: { readonly bytes: number; readonly everyMs: number }
  /** After the reply: FIN; RST; FIN of our side only; stop reading for good. */
  readonly after?: 'close' | 'reset' | 'half-close' | 'stop-reading'
  /** STARTTLS answered with 220 only: what comes after the ClientHello; a handshake by default. */
  readonly handshake?: 'garbage' | 'close' | 'reset' | 'stall'
}

/** A string is a reply; undefined is the ordinary answer. */
export type MxAnswer = string | readonly string[] | MxAction | undefined
export type MxScript = Partial<Record<MxVerb, MxAnswer | ((step: MxStep) => MxAnswer | Promise<MxAnswer>)>>

export interface ReceivedMessage {
  readonly connection: number
  readonly inTls: boolean
  /** The whole MAIL command line. */
  readonly mail: string
  /** The address of MAIL, empty for the null reverse-path. */
  readonly reversePath: string
  /** Accepted recipients: address and the whole RCPT command line. */
  readonly recipients: readonly { readonly address: string; readonly line: string }[]
  /** Without dot-stuffing and without the end-of-content dot. */
  readonly content: Buffer
  /** Exactly as it came, with the final dot. */
  readonly wire: Buffer
  /** `performance.now()` when the dot was there. */
  readonly at: number
}

/** One read or write, as the SMTP layer saw it: decrypted once TLS is up, the ClientHello before as it came. */
export interface MxSegment {
  readonly direction: 'in' | 'out'
  readonly inTls: boolean
  readonly bytes: Buffer
  /** `performance.now()`. */
  readonly at: number
}

export interface MxConnection {
  readonly number: number
  /** Where the client dialled from. */
  readonly clientAddress: string | undefined
  /** Command lines in order, without CRLF; content is not among them. */
  readonly commands: readonly string[]
  readonly segments: readonly MxSegment[]
  readonly inTls: boolean
  /** The server name of the ClientHello, when it had one. */
  readonly servername: string | undefined
  /** Who has logged in. */
  readonly username: string | undefined
  /** Whether TLS went on from an earlier session; undefined in clear. */
  readonly resumed: boolean | undefined
  /** Whether the client had a certificate of its own; undefined in clear. */
  readonly showedCertificate: boolean | undefined
  /** How it ended, once it has: FIN of the peer, an error (its code), or our own doing. */
  readonly ended: Promise<string>
}
