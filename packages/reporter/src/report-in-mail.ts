/**
 * Finds the report in a mail that somebody else composed (RFC 8460 §5.3, RFC 2045, RFC 2046): the part of a
 * `multipart/report` of type `tlsrpt`, or the whole body of a mail that is nothing else.
 *
 * Reads what such mails look like in the field and no more of MIME; a mail that hides its report is one without. Pure.
 */
interface Part {
  readonly mediaType: string
  readonly parameters: ReadonlyMap<string, string>
  readonly encoding: string
  /** One character for each octet. */
  readonly body: string
}

/** A multipart within multiparts: lists and gateways wrap once or twice. */
const DEPTH_MAX = 4
const PARTS_MAX = 50
const HEADER_OCTETS_MAX = 256 * 1024
const FIELDS_MAX = 1_000

const REPORT_TYPES: ReadonlySet<string> = new Set([
  'application/tlsrpt+gzip',
  'application/tlsrpt+json',
  // Not registered, and seen.
  'application/tlsrpt',
])
/** What senders and gateways call the second part when the mail says already that it is a report. */
const ATTACHMENT_TYPES: ReadonlySet<string> = new Set([
  'application/gzip',
  'application/x-gzip',
  'application/octet-stream',
])
/** A parameter with a token or a quoted string (RFC 2045 §5.1). */
const PARAMETER = /;[ \t]*([\w!#$%&'*+.^`{|}~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/g

/** As attached, decoded from its transfer encoding; whether it is compressed tell its own first octets. */
export function reportInMail(mail: Uint8Array): Uint8Array | undefined {
  const whole = readPart(Buffer.from(mail).toString('latin1'))
  return whole === undefined ? undefined : search(whole, { depth: 0, within: 'mail' })
}

interface Place {
  readonly depth: number
  /** A report may stand alone in a mail, and in a `multipart/report` of its type; there under other names as well. */
  readonly within: 'mail' | 'report' | 'others'
}

function search(part: Part, { depth, within }: Place): Uint8Array | undefined {
  if (REPORT_TYPES.has(part.mediaType)) return within === 'others' ? undefined : decoded(part)
  if (ATTACHMENT_TYPES.has(part.mediaType)) return within === 'report' ? decoded(part) : undefined
  const isReport =
    part.mediaType === 'multipart/report' && part.parameters.get('report-type')?.toLowerCase() === 'tlsrpt'
  if ((!isReport && part.mediaType !== 'multipart/mixed') || depth >= DEPTH_MAX) return undefined
  for (const text of partsOf(part)) {
    const inner = readPart(text)
    const found = inner && search(inner, { depth: depth + 1, within: isReport ? 'report' : 'others' })
    if (found !== undefined) return found
  }
  return undefined
}

/** RFC 2046 §5.1.1: what stands between lines that begin with the delimiter, up to the closing one. */
function partsOf({ parameters, body }: Part): readonly string[] {
  const boundary = parameters.get('boundary')
  if (boundary === undefined || boundary === '') return []
  const delimiter = `\n--${boundary}`
  const [, ...pieces] = `\n${body}`.split(delimiter, PARTS_MAX + 1)
  const end = pieces.findIndex((piece) => piece.startsWith('--'))
  return (end < 0 ? pieces : pieces.slice(0, end)).map((piece) => piece.slice(piece.indexOf('\n') + 1))
}

function readPart(text: string): Part | undefined {
  const start = text.slice(0, HEADER_OCTETS_MAX)
  const empty = /^\r?\n|\r?\n\r?\n/.exec(start)
  if (empty === null) return undefined
  const fields = new Map<string, string>()
  const lines = start
    .slice(0, empty.index)
    .replace(/\r?\n(?=[ \t])/g, '')
    .split(/\r?\n/, FIELDS_MAX)
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(colon, 0)).trimEnd().toLowerCase()
    if (!fields.has(name)) fields.set(name, line.slice(colon + 1).trim())
  }
  const type = fields.get('content-type') ?? 'text/plain'
  return {
    mediaType: (type.split(';', 1)[0] ?? '').trim().toLowerCase(),
    parameters: new Map(
      Array.from(type.matchAll(PARAMETER), ([, name = '', quoted, token = '']) => [
        name.toLowerCase(),
        quoted?.replace(/\\(.)/g, '$1') ?? token,
      ]),
    ),
    encoding: (fields.get('content-transfer-encoding') ?? '').toLowerCase(),
    body: text.slice(empty.index + empty[0].length),
  }
}

function decoded({ encoding, body }: Part): Uint8Array {
  switch (encoding) {
    case 'base64':
      return Buffer.from(body, 'base64')
    case 'quoted-printable':
      return Buffer.from(unquoted(body), 'latin1')
    default:
      return Buffer.from(body, 'latin1')
  }
}

/** RFC 2045 §6.7. */
function unquoted(body: string): string {
  return body
    .replace(/=[ \t]*\r?\n/g, '')
    .replace(/=([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}
