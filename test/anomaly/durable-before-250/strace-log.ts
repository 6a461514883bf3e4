/**
 * Reads what `strace -f -yy -s N -o FILE` wrote, as far as the durability proof needs it: writes, syncs, renames,
 * new directories and sends. Pure. What a program does through io_uring is not seen; the proof asks for every write,
 * sync and 250 to be seen, so that can make it fail and never make it hold.
 *
 * Order: strace stops a thread at both ends of a call and prints in the order it sees the stops, so a call whose
 * end is printed before the beginning of another has ended before the other began, whatever the threads.
 */
export type TracedCall =
  | {
      readonly kind: 'write'
      readonly target: string
      readonly bytes: Buffer
      /** Undefined for calls without one. */
      readonly offset: number | undefined
      readonly span: Span
    }
  | { readonly kind: 'sync'; readonly target: string; readonly span: Span }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string; readonly span: Span }
  | { readonly kind: 'mkdir'; readonly path: string; readonly span: Span }

/** Line numbers of the beginning and the end of a call; or when they were, of a timed log. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** What to ask of strace, so that this file can read it. */
export const STRACE_OPTIONS: readonly string[] = [
  '-f',
  '-yy',
  '-s',
  '1048576',
  '-e',
  'trace=write,writev,pwrite64,pwritev,pwritev2,sendto,sendmsg,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat',
]

/** Calls that failed are left out: they changed nothing. */
export function parseStraceLog(text: string): readonly TracedCall[] {
  const pending = new Map<string, { readonly start: number; readonly head: string }>()
  const calls: TracedCall[] = []
  let number = 0
  for (const line of text.split('\n')) {
    number += 1
    const whole = wholeCall(line, { number, pending })
    if (whole === undefined) continue
    const call = parseCall(whole.text, { start: whole.start, end: number })
    if (call !== undefined) calls.push(call)
  }
  return calls
}

/** Asked for besides, so that the traces of several programs can be put in one order. */
export const STRACE_TIMES: readonly string[] = ['-ttt', '-T']

/**
 * With `STRACE_TIMES`: spans are seconds of the machine's clock. A call cannot end before its thread stopped, nor be
 * done before it went on; so a call whose end was seen before another's beginning was done before that one was, also
 * when two tracers saw them.
 */
export function parseTimedStraceLog(text: string): readonly TracedCall[] {
  const times: { readonly at: number; readonly took: number }[] = []
  const lines = text.split('\n').map((line) => {
    const [, thread = '', at = '0', rest = ''] = TIMED.exec(line) ?? []
    const [, took = '0'] = TOOK.exec(rest) ?? []
    times.push({ at: Number(at), took: Number(took) })
    return `${thread} ${rest}`
  })
  return parseStraceLog(lines.join('\n')).map((call) => ({ ...call, span: timed(call.span, times) }))
}

/** Of a call on two lines the second has the time of its end. */
function timed({ start, end }: Span, times: readonly { readonly at: number; readonly took: number }[]): Span {
  const [first, last] = [times[start - 1], times[end - 1]]
  const began = first?.at ?? 0
  return { start: began, end: start === end ? began + (first?.took ?? 0) : (last?.at ?? 0) }
}

const TIMED = /^(\d+) +(\d+\.\d+) (.*)$/s
const TOOK = /<(\d+\.\d+)>$/

const UNFINISHED = ' <unfinished ...>'
const THREAD = /^(\d+) +(.*)$/s
const RESUMED = /^<\.\.\. \w+ resumed>(.*)$/s

/** Joins the two halves of a call that strace had to print apart. */
function wholeCall(
  line: string,
  state: {
    readonly number: number
    readonly pending: Map<string, { readonly start: number; readonly head: string }>
  },
): { readonly text: string; readonly start: number } | undefined {
  const [, thread, rest] = THREAD.exec(line) ?? []
  if (thread === undefined || rest === undefined) return undefined
  if (rest.endsWith(UNFINISHED)) {
    state.pending.set(thread, { start: state.number, head: rest.slice(0, -UNFINISHED.length) })
    return undefined
  }
  const [, tail] = RESUMED.exec(rest) ?? []
  if (tail === undefined) return { text: rest, start: state.number }
  const begun = state.pending.get(thread)
  state.pending.delete(thread)
  return begun === undefined ? undefined : { text: begun.head + tail, start: begun.start }
}

const CALL = /^(\w+)\((.*)\)\s+= (-?\d+)(?:[^"]*)$/s
/** `17</a/path>`, `25<TCP:[127.0.0.1:25->127.0.0.1:4444]>`; the path of a removed file ends with `(deleted)`. */
const DESCRIPTOR = /^\d+<([\w-]+:\[.*?\]|[^>]*)>(?:\(deleted\))?/
const QUOTED = /"((?:[^"\\]|\\.)*)"/gs
const LAST_NUMBER = /, (\d+)$/

function parseCall(text: string, span: Span): TracedCall | undefined {
  const [, name, args, result] = CALL.exec(text) ?? []
  if (name === undefined || args === undefined || Number(result) < 0) return undefined
  switch (name) {
    case 'write':
    case 'writev':
    case 'sendto':
    case 'sendmsg':
      return { kind: 'write', target: targetOf(args), bytes: quotedBytes(args), offset: undefined, span }
    case 'pwrite64':
    case 'pwritev':
    case 'pwritev2': {
      const [, offset] = LAST_NUMBER.exec(args) ?? []
      const at = offset === undefined ? undefined : Number(offset)
      return { kind: 'write', target: targetOf(args), bytes: quotedBytes(args), offset: at, span }
    }
    case 'fsync':
    case 'fdatasync':
      return { kind: 'sync', target: targetOf(args), span }
    case 'rename':
    case 'renameat':
    case 'renameat2': {
      const [from, to] = quotedTexts(args)
      return from === undefined || to === undefined ? undefined : { kind: 'rename', from, to, span }
    }
    case 'mkdir':
    case 'mkdirat': {
      const [path] = quotedTexts(args)
      return path === undefined ? undefined : { kind: 'mkdir', path, span }
    }
    default:
      return undefined
  }
}

function targetOf(args: string): string {
  return DESCRIPTOR.exec(args)?.[1] ?? ''
}

function quotedTexts(args: string): readonly string[] {
  return [...args.matchAll(QUOTED)].map(([, text = '']) => unescaped(text).toString('utf8'))
}

/** The buffers of one call, one after the other. */
function quotedBytes(args: string): Buffer {
  return Buffer.concat([...args.matchAll(QUOTED)].map(([, text = '']) => unescaped(text)))
}

const ESCAPE = /\\(?:([0-7]{1,3})|x([0-9a-f]{2})|(.))/gs
const NAMED: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', v: '\v', f: '\f', a: '\x07', b: '\b' }

function unescaped(text: string): Buffer {
  const plain = text.replace(ESCAPE, (_, octal?: string, hex?: string, letter?: string) => {
    if (octal !== undefined) return String.fromCharCode(Number.parseInt(octal, 8))
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    return NAMED[letter ?? ''] ?? letter ?? ''
  })
  return Buffer.from(plain, 'latin1')
}
