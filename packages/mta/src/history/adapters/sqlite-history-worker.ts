/**
 * The history's thread: owns `history.db`. The file is opened when it is needed and again after trouble, so that a
 * file that is locked or damaged now costs one answer and nothing else.
 */
import { statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'
import { fileIdentity } from '@hermetic/policy/sqlite-file'
import { historyLimit } from '../limit.ts'
import type {
  HistoryOperation,
  HistoryOperations,
  HistoryReply,
  HistoryRequest,
  HistoryStart,
} from './sqlite-history-protocol.ts'
import { asidePath, type HistoryFailure, historyFailure, moveAside, openHistoryStore } from './sqlite-history-schema.ts'
import { HistoryStore } from './sqlite-history-store.ts'

if (parentPort === null) throw new Error('the history runs in a thread of its own')
const port = parentPort
const start = workerData as HistoryStart
let store: HistoryStore | undefined
let identity: string | undefined

port.on('message', (request: HistoryRequest) => port.postMessage(replyTo(request)))

function replyTo(request: HistoryRequest): HistoryReply {
  const { seq } = request
  try {
    return { seq, answer: answerTo(request) }
  } catch (error) {
    return { seq, failure: contained(error) }
  }
}

class OpenFailed extends Error {
  override readonly name = 'OpenFailed'
  readonly failure: HistoryFailure

  constructor(failure: HistoryFailure) {
    super(failure.detail)
    this.failure = failure
  }
}

function opened(): HistoryStore {
  if (store !== undefined) {
    if (fileIdentity(start.path) === identity) return store
    throw new OpenFailed({ reason: 'gone', detail: 'it was deleted or replaced while it was in use' })
  }
  const db = openHistoryStore(start.path)
  if (!db.ok) throw new OpenFailed(db.error)
  if (start.pagesMax !== undefined) db.value.exec(`PRAGMA max_page_count = ${start.pagesMax}`)
  identity = fileIdentity(start.path)
  store = new HistoryStore(db.value)
  return store
}

function answerTo(request: HistoryRequest): HistoryOperations[HistoryOperation]['answer'] {
  switch (request.op) {
    case 'record': {
      const history = opened()
      history.record(request.ask)
      return history.usage()
    }
    case 'find':
      return opened().find(request.ask)
    case 'observed':
      return opened().observed(request.ask)
    case 'prune': {
      const history = opened()
      const { before, maxBytes } = request.ask
      const limit = historyLimit({ maxBytes, usedBytes: history.usedBytes(), diskFreeBytes: diskFreeBytes() })
      const done = history.prune({ before, maxBytes: limit })
      return { ...history.usage(), done }
    }
    case 'close':
      return close()
  }
}

/** After any failure the file is opened anew: what went wrong may have been in the connection. */
function contained(error: unknown): HistoryFailure {
  const failure = error instanceof OpenFailed ? error.failure : historyFailure(error)
  if (failure.reason !== 'full' || error instanceof OpenFailed) forget()
  if (failure.reason !== 'damaged' || !start.mend) return failure
  try {
    moveAside(start.path)
    return { ...failure, detail: `${failure.detail}; moved to ${asidePath(start.path)}` }
  } catch (cause) {
    return { ...failure, detail: `${failure.detail}; it could not be moved aside: ${historyFailure(cause).detail}` }
  }
}

function forget(): void {
  const broken = store
  store = undefined
  try {
    broken?.abandon()
  } catch {
    // It is open no longer, or never will be closed; the next one is another.
  }
}

function close(): null {
  const open = store
  store = undefined
  try {
    open?.close()
  } finally {
    port.close()
  }
  return null
}

function diskFreeBytes(): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(dirname(start.path))
    return bavail * bsize
  } catch {
    return undefined
  }
}
