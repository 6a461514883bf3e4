/** `hermetic queue export`: writes the queue into a file, and with --move gives its messages up. */
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { QueueFileHeader } from '../queue-file/queue-file.ts'
import { QueueFileWriter } from '../queue-file/queue-file-writer.ts'
import {
  type ExportFileOutcome,
  type ExportFileProblem,
  exportFile,
  type RemovalCounts,
} from '../queue-move/export-file.ts'
import { type ExportCounts, exportQueue } from '../queue-move/export-queue.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import { readArguments } from './arguments.ts'
import { type OpenedMovableQueue, openMovableQueue } from './open-movable-queue.ts'
import { Progress } from './progress.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { counted, formatBytes } from './table.ts'
import { EXIT, type Terminal, UsageError, UserError } from './verb.ts'
import { hermeticVersion } from './version.ts'

const OPTIONS = { ...CONFIG_OPTION, move: { type: 'boolean', default: false } } as const
const NAMED_MAX = 20

export async function queueExport(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, { min: 1, max: 1, name: 'the file to write, or -' })
  const [path = ''] = positionals
  if (values.move && path === '-') {
    throw new UsageError('a move needs a file: what has left the queue must not depend on a pipe')
  }
  if (path === '-' && terminal.columns !== undefined) {
    throw new UsageError('standard output is a terminal; name a file, or write into a pipe')
  }
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return EXIT.configuration
  const queue = await openMovableQueue(settings.config, { create: false })
  if (queue === undefined) {
    terminal.err(`There is no queue in ${settings.config.data_dir} yet: the relay has not run here.\n`)
    return EXIT.failed
  }
  const header: QueueFileHeader = {
    file: randomUUID(),
    kind: values.move ? 'move' : 'copy',
    from: formatDomain(settings.config.hostname),
    at: terminal.now(),
    version: hermeticVersion(),
  }
  try {
    return path === '-' ? await toStream(queue, header, terminal) : await toFile({ queue, header, path, terminal })
  } finally {
    await queue.close()
  }
}

async function toStream(queue: OpenedMovableQueue, header: QueueFileHeader, terminal: Terminal): Promise<number> {
  const { streams } = terminal
  if (streams === undefined) throw new UserError('there is no standard output for octets here')
  const writer = new QueueFileWriter((octets) => streams.output(octets))
  await writer.header(header)
  const progress = await progressOf(queue, terminal)
  const counts = await exportQueue({ queue, writer, pause, onProgress: progress.written })
  await writer.end()
  progress.end()
  terminal.err(`${counted(counts.messages, 'message')} written, ${formatBytes(counts.contentOctets)} of content\n`)
  return told(counts.left, terminal)
}

async function toFile({
  queue,
  header,
  path,
  terminal,
}: {
  readonly queue: OpenedMovableQueue
  readonly header: QueueFileHeader
  readonly path: string
  readonly terminal: Terminal
}): Promise<number> {
  const progress = await progressOf(queue, terminal)
  const outcome = await exportFile({
    ...{ queue, header, path, onProgress: progress.written, onRemoval: progress.removed },
    pause: (ms) => pause(ms),
    onResumed: (messages) =>
      terminal.err(`Going on with ${path}.partial, which has ${counted(messages, 'message')}.\n`),
  })
  progress.end()
  if (!outcome.ok) throw new UserError(problemText(outcome.error))
  terminal.out(writtenText(outcome.value, path))
  return told(outcome.value.left, terminal, outcome.value.removal)
}

function writtenText({ messages, removal }: ExportFileOutcome, path: string): string {
  const written = `${counted(messages, 'message')} in ${path}`
  if (removal === undefined) return `${written}, a copy: where it is taken in, its messages are held\n`
  return `${written}; ${removal.removed} removed from the queue\n`
}

/** Why somebody has to look at something, if so. */
function told(
  left: ExportCounts['left'],
  terminal: Terminal,
  removal?: NonNullable<ExportFileOutcome['removal']>,
): number {
  for (const { id, why } of left.slice(0, NAMED_MAX)) terminal.err(`${id}: ${WHY_LEFT[why]}\n`)
  if (left.length > NAMED_MAX) terminal.err(`… and ${left.length - NAMED_MAX} more\n`)
  const { stillHeld = [], kept = 0 } = removal ?? {}
  if (stillHeld.length > 0) {
    terminal.err(
      `${counted(stillHeld.length, 'message')} could not leave and ${stillHeld.length === 1 ? 'is' : 'are'} held: ` +
        'hermetic queue release them, or export again into another file\n',
    )
  }
  if (kept > stillHeld.length) {
    terminal.err(
      `${counted(kept, 'message')} of the file ${kept === 1 ? 'is' : 'are'} in the queue again, released by somebody: ` +
        'they would be delivered twice\n',
    )
  }
  return left.length === 0 && stillHeld.length === 0 && kept === 0 ? EXIT.done : EXIT.failed
}

const WHY_LEFT = {
  'in-delivery': 'was being delivered all the time, and is not in the file',
  'content-unreadable': 'its content is damaged, and it is not in the file',
} as const satisfies Record<ExportCounts['left'][number]['why'], string>

function problemText(problem: ExportFileProblem): string {
  switch (problem.kind) {
    case 'there-already':
      return `${problem.path} is there already, and it is no move of this queue that was interrupted; name another file`
    case 'unfinished-other':
      return `${problem.path} is an unfinished file that cannot be gone on with: ${problem.detail}. Move it away, or name another file`
  }
}

async function progressOf({ admin }: OpenedMovableQueue, terminal: Terminal) {
  const progress = new Progress(terminal)
  const { messages: all } = await admin.summary()
  return {
    end: () => progress.end(),
    written: ({ messages, contentOctets }: ExportCounts) =>
      progress.tell(() => `${messages} of ${all} messages written, ${formatBytes(contentOctets)}`),
    removed: ({ removed }: RemovalCounts) => progress.tell(() => `${removed} messages removed`),
  }
}
