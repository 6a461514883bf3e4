/** `hermetic queue import`: takes the messages of a queue file into the queue, once. */
import { createReadStream } from 'node:fs'
import { assertNever } from '@hermetic/policy'
import { fileStanding } from '../queue-file/file-end.ts'
import type { QueueFileDamage, QueueFileDamaged, QueueFileHeader } from '../queue-file/queue-file.ts'
import { type ImportCounts, type ImportOutcome, importQueue } from '../queue-move/import-queue.ts'
import { readArguments } from './arguments.ts'
import { openMovableQueue } from './open-movable-queue.ts'
import { Progress } from './progress.ts'
import { isoTime } from './queue-text.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { counted, formatBytes } from './table.ts'
import { EXIT, type Terminal, UserError } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  deliver: { type: 'boolean', default: false },
  incomplete: { type: 'boolean', default: false },
} as const

export async function queueImport(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, { min: 1, max: 1, name: 'the file to read, or -' })
  const [path = ''] = positionals
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return EXIT.configuration
  const source = await sourceOf(path, { terminal, incomplete: values.incomplete })
  const queue = await openMovableQueue(settings.config, { create: true })
  if (queue === undefined) throw new Error('a queue is made where there is none')
  const progress = new Progress(terminal)
  try {
    const outcome = await importQueue({
      ...{ moves: queue.moves, source, deliverCopies: values.deliver },
      onHeader: (header, before) => terminal.err(headerText({ header, before, deliver: values.deliver })),
      onProgress: (counts) => progress.tell(() => countsText(counts)),
    })
    progress.end()
    terminal.out(`${countsText(outcome)}\n`)
    return ended(outcome, path, terminal)
  } finally {
    await queue.close()
  }
}

async function sourceOf(
  path: string,
  { terminal, incomplete }: { readonly terminal: Terminal; readonly incomplete: boolean },
): Promise<AsyncIterable<Uint8Array>> {
  if (path === '-') {
    if (terminal.streams === undefined) throw new UserError('there is no standard input here')
    return terminal.streams.input()
  }
  const standing = await fileStanding(path)
  if (standing === 'not-a-queue-file') throw new UserError(`${path} is not a queue file of Hermetic`)
  if (!incomplete && standing === 'without-end') {
    throw new UserError(
      `${path} has no end: the export has not finished, or the file was cut off on its way. ` +
        'Finish the export, or take what is there with --incomplete',
    )
  }
  return createReadStream(path)
}

function headerText({
  header: { kind, from, at },
  before,
  deliver,
}: {
  readonly header: QueueFileHeader
  readonly before: number
  readonly deliver: boolean
}): string {
  const what = kind === 'move' ? 'Moved from' : 'A copy from'
  const held =
    kind === 'copy' && !deliver
      ? '; its messages will be held, as that queue may deliver them (--deliver queues them)'
      : ''
  const again = before > 0 ? `; ${counted(before, 'message')} of it were taken in before` : ''
  return `${what} ${from}, ${isoTime(at)}${held}${again}.\n`
}

function countsText({ messages, contentOctets, entered, alreadyThere, earlier }: ImportCounts): string {
  const known = [
    ...(alreadyThere > 0 ? [`${alreadyThere} already there`] : []),
    ...(earlier > 0 ? [`${earlier} taken in before`] : []),
  ]
  const others = known.length > 0 ? ` (${known.join(', ')})` : ''
  return `${counted(entered, 'message')} taken in of ${messages} read${others}, ${formatBytes(contentOctets)} of content`
}

function ended(outcome: ImportOutcome, path: string, terminal: Terminal): number {
  switch (outcome.kind) {
    case 'done':
      return EXIT.done
    case 'damaged':
      terminal.err(`${path === '-' ? 'The input' : path} ${damageText(outcome.damaged)}.\n${GOES_ON}`)
      return EXIT.failed
    case 'full':
      terminal.err(`The queue is full (${outcome.detail}). ${GOES_ON}`)
      return EXIT.failed
    case 'unavailable':
      terminal.err(`The queue cannot be written to: ${outcome.detail}. ${GOES_ON}`)
      return EXIT.failed
    case 'overtaken':
      terminal.err('Another import of the same file is under way; this one has stopped.\n')
      return EXIT.failed
    default:
      return assertNever(outcome)
  }
}

const GOES_ON = 'What was taken in stays; the same command goes on after it, and doubles nothing.\n'

function damageText({ damage, at }: QueueFileDamaged): string {
  return `${sentence(damage)}; everything before octet ${at} is whole`
}

function sentence(damage: QueueFileDamage): string {
  switch (damage.kind) {
    case 'not-a-queue-file':
      return 'is not a queue file of Hermetic'
    case 'newer-version':
      return `is of a newer Hermetic (version ${damage.found}, this one knows ${damage.supported})`
    case 'truncated':
      return 'ends too early'
    case 'wrong-checksum':
      return `is damaged in ${placeOf(damage.number)}`
    case 'malformed':
      return `has in ${placeOf(damage.number)} what no relay writes (${damage.detail})`
    case 'more-after-the-end':
      return 'goes on after its end'
    default:
      return assertNever(damage)
  }
}

function placeOf(number: number): string {
  return number === 0 ? 'its header' : `message ${number}`
}
