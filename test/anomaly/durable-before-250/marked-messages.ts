/**
 * Messages whose octets can be found again in a trace: every line carries two marks of its own. Several are submitted at
 * once, so that commits are shared; and the trace, once it is whole.
 */
import { readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { LoadSession } from '../../bench/load-session.ts'
import type { Submitted } from './durability.ts'

export const INLINE_MESSAGES = 12
export const FILE_MESSAGES = 3

export interface MarkedMessages {
  readonly port: number
  /** Of a content that goes into a file. */
  readonly fileBytes: number
  /** What is looked for of a content that goes into the store; absent: its own lines. */
  readonly inlineMarks?: (name: string) => Submitted['marks']
}

type Marks = readonly (readonly [string, string])[]

const INLINE_BYTES = 5 * 1024
const LINE_BYTES = 64
/** Of a large content every 32nd line is looked for: at least one in each 4 KiB. */
const FILE_STRIDE = 32
const TRACE_TIMEOUT_MS = 20_000

export function submitMarked({ port, fileBytes, inlineMarks }: MarkedMessages): Promise<readonly Submitted[]> {
  const inline = Array.from({ length: INLINE_MESSAGES }, async (_, index): Promise<Submitted> => {
    const name = `inline${index}`
    const { clientPort, marks } = await submitOne(port, name, INLINE_BYTES)
    return { clientPort, marks: inlineMarks?.(name) ?? marks, content: 'inline' }
  })
  const files = Array.from({ length: FILE_MESSAGES }, async (_, index): Promise<Submitted> => {
    const { clientPort, marks } = await submitOne(port, `file${index}`, fileBytes)
    return { clientPort, marks: marks.filter((_pair, line) => line % FILE_STRIDE === 0), content: 'file' }
  })
  return Promise.all([...inline, ...files])
}

async function submitOne(
  port: number,
  name: string,
  bytes: number,
): Promise<{ readonly clientPort: number; readonly marks: Marks }> {
  const session = await LoadSession.open({ host: '127.0.0.1', port, pipelining: true })
  const clientPort = session.localPort
  const lines = Array.from({ length: Math.ceil(bytes / LINE_BYTES) }, (_, index) => markedLine(name, index))
  await session.submit({
    reversePath: 'sender@origin.test',
    forwardPaths: [`${name}@destination.test`],
    head: `From: <sender@origin.test>\r\nTo: <${name}@destination.test>\r\nSubject: ${name}\r\n\r\n`,
    body: Buffer.from(`${lines.map(({ text }) => text).join('')}.\r\n`),
  })
  session.destroy()
  return { clientPort, marks: lines.map(({ pair }) => pair) }
}

/** Two marks far enough apart that the end of a page or of a write cuts at most one of them. */
function markedLine(name: string, index: number): { readonly text: string; readonly pair: readonly [string, string] } {
  const number = String(index).padStart(6, '0')
  const pair = [`<${name}:${number}:a>`, `<${name}:${number}:b>`] as const
  return { text: `${`${pair[0]} `.padEnd(LINE_BYTES - 2 - pair[1].length)}${pair[1]}\r\n`, pair }
}

/** strace writes on for a moment after the traced process has gone. */
export async function finishedTrace(file: string, pid: number): Promise<string> {
  // With or without the time of each call.
  const ended = new RegExp(`^${pid} .*\\+\\+\\+ (?:exited with|killed by) `, 'm')
  const until = performance.now() + TRACE_TIMEOUT_MS
  for (;;) {
    const text = await readFile(file, 'latin1')
    if (ended.test(text)) return text
    if (performance.now() > until) throw new Error('the trace has no end')
    await sleep(100)
  }
}
