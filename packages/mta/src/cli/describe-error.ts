/**
 * What went wrong, in the user's words: known causes by their code or class, never by their message. Pure.
 */
import { ResultStoreUnavailable } from '@hermetic/reporter'
import { ControlFailed } from '../admin/control-client.ts'
import { SocketInUse } from '../admin/control-socket.ts'
import { describeSystemError, systemErrorCode } from '../config/system-error.ts'
import { type HistoryTrouble, HistoryUnavailable } from '../history/delivery-history.ts'
import { StoreUnavailable } from '../spool/spool.ts'
import { UsageError, UserError } from './verb.ts'

export interface ErrorWords {
  readonly text: string
  /** A defect of ours: the stack is worth printing. */
  readonly defect: boolean
}

export function describeError(error: unknown): ErrorWords {
  if (error instanceof UserError || error instanceof UsageError) return { text: error.message, defect: false }
  if (error instanceof SocketInUse) {
    return { text: `another relay runs on this data_dir (${error.message} answers); stop it first`, defect: false }
  }
  if (error instanceof ControlFailed)
    return { text: `the running relay could not do it: ${error.message}`, defect: false }
  if (error instanceof StoreUnavailable)
    return { text: `the queue cannot be read now: ${error.message}`, defect: false }
  if (error instanceof ResultStoreUnavailable)
    return { text: `the results for reports cannot be read now: ${error.message}`, defect: false }
  if (error instanceof HistoryUnavailable) return { text: historyWords(error), defect: false }
  const code = systemErrorCode(error)
  if (error instanceof Error && code !== undefined && 'syscall' in error) {
    return { text: systemWords(error, code), defect: false }
  }
  return { text: error instanceof Error ? error.message : String(error), defect: true }
}

function historyWords({ reason, message }: HistoryUnavailable): string {
  const words: Readonly<Record<HistoryTrouble, string>> = {
    locked: 'another process has history.db, a relay without a socket perhaps',
    'foreign-file': 'history.db is not a delivery history',
    gone: 'history.db was deleted or replaced while the relay ran',
    'newer-schema': 'history.db was written by a newer Hermetic',
    damaged: 'history.db is damaged; a running relay moves it aside and begins a new one',
    full: 'history.db is full',
    failed: 'history.db cannot be read',
  }
  return `${words[reason]} (${message})`
}

function systemWords(error: Error, code: string): string {
  const what = 'path' in error && typeof error.path === 'string' ? error.path : listenPlace(error)
  const words = `${what === undefined ? '' : `${what}: `}${describeSystemError(error)}`
  const advice = code === 'EACCES' && isOfPort(error) ? NO_LOW_PORT : ADVICE[code]
  return advice === undefined ? words : `${words}; ${advice}`
}

/** A socket in the file system has its path for an address, and no port. */
function listenPlace(error: Error): string | undefined {
  if (!('address' in error)) return undefined
  if (!('port' in error)) return String(error.address)
  return `${String(error.address)} port ${String(error.port)}`
}

/** A port belongs to nobody and has no mode. */
function isOfPort(error: Error): boolean {
  return 'port' in error && typeof error.port === 'number' && error.port > 0
}

const NO_LOW_PORT = 'ports below 1024 need CAP_NET_BIND_SERVICE, or choose another port in hermetic.toml'

const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'run as the user that owns it, or change its mode',
  EADDRINUSE: 'stop the other program, or choose another port in hermetic.toml',
  EADDRNOTAVAIL: 'correct the address in hermetic.toml',
  EMFILE: 'raise the limit of open files (ulimit -n)',
  ENOSPC: 'make room and try again',
}
