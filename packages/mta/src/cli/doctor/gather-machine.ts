/**
 * Facts from this machine: room and speed of the disk, modes of files with secrets, certificates, the newest file.
 * Writes one small file for the measurement and removes it.
 */
import { X509Certificate } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { connectControl } from '../../admin/control-client.ts'
import { SOCKET_NAME } from '../../admin/control-protocol.ts'
import type { Config } from '../../config/schema.ts'
import { describeSystemError, systemErrorCode } from '../../config/system-error.ts'
import { formatDomain } from '../../smtp/mail-address.ts'
import { CREDENTIALS_NAME } from '../../wiring/relay-options.ts'
import { describeError } from '../describe-error.ts'
import type { CertificateFacts, ClockFacts, DiskFacts, FileFacts, RelayFacts } from './facts.ts'

const FSYNC_COUNT = 20
const FSYNC_BYTES = 4_096

export function diskFacts({ data_dir, queue }: Pick<Config, 'data_dir' | 'queue'>): DiskFacts {
  const path = nearestDirectory(queue.engine === 'redis' ? queue.content_dir : data_dir)
  try {
    const { bavail, bsize } = statfsSync(path)
    return {
      kind: 'measured',
      path,
      freeBytes: bavail * bsize,
      queueMaxBytes: queue.max_bytes,
      fsyncMs: fsyncTimes(path),
    }
  } catch (error) {
    return { kind: 'not-measured', path, detail: describeSystemError(error) }
  }
}

function nearestDirectory(path: string): string {
  for (let here = path; ; here = dirname(here)) {
    try {
      statSync(here)
      return here
    } catch (error) {
      if (systemErrorCode(error) !== 'ENOENT' || here === dirname(here)) return here
    }
  }
}

function fsyncTimes(directory: string): readonly number[] {
  const path = join(directory, `.hermetic-doctor-${process.pid}`)
  const file = openSync(path, 'wx', 0o600)
  try {
    const block = Buffer.alloc(FSYNC_BYTES, 'x')
    const times = Array.from({ length: FSYNC_COUNT }, () => {
      const started = performance.now()
      writeSync(file, block)
      fsyncSync(file)
      return performance.now() - started
    })
    return times.sort((left, right) => left - right)
  } finally {
    closeSync(file)
    rmSync(path, { force: true })
  }
}

/** Everything that holds a secret, or the mail itself. */
export function fileFacts(
  { data_dir, queue, listener, credential }: Config,
  configFile: string | undefined,
): readonly FileFacts[] {
  const keys = listener.flatMap(({ key_file }) => (key_file === undefined ? [] : [['private key', key_file] as const]))
  const holdsSecrets = configFile !== undefined && (credential.length > 0 || queue.engine === 'redis')
  const paths = [
    ['data_dir', `${data_dir}/`] as const,
    ...(queue.engine === 'redis' ? [['content_dir', `${queue.content_dir}/`] as const] : []),
    ['logins', join(data_dir, CREDENTIALS_NAME)] as const,
    ...keys,
    ...(holdsSecrets ? [['configuration', configFile] as const] : []),
  ]
  return paths.flatMap(([what, path]): readonly FileFacts[] => {
    try {
      const { mode, uid } = statSync(path)
      return [{ kind: 'there', what, path, mode, uid, ourUid: process.getuid?.() ?? uid }]
    } catch (error) {
      // Not there yet: the relay makes both, with the right mode.
      if (systemErrorCode(error) === 'ENOENT' && what !== 'private key' && what !== 'configuration') return []
      return [{ kind: 'unreadable', what, path, detail: describeSystemError(error) }]
    }
  })
}

/** They were read when the configuration was; what is gone since then is a `file mode` finding. */
export function certificateFacts({ listener, hostname }: Config): readonly CertificateFacts[] {
  const name = formatDomain(hostname)
  return listener.flatMap(({ cert_file, address, port }) => {
    if (cert_file === undefined) return []
    try {
      const certificate = new X509Certificate(readFileSync(cert_file))
      const namesUs =
        hostname.kind === 'name' &&
        certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined
      return [
        {
          file: cert_file,
          listener: `${address} port ${port}`,
          notBefore: certificate.validFromDate.getTime(),
          notAfter: certificate.validToDate.getTime(),
          namesUs,
          hostname: name,
        },
      ]
    } catch {
      return []
    }
  })
}

/** Nothing of this version was made before. */
const RELEASED_AT = Date.UTC(2026, 10, 1)

export function clockFacts(directory: string, watched: Pick<ClockFacts, 'jumpMs' | 'watchedMs'>): ClockFacts {
  const newestFile = newestOf(directory)
  return { now: Date.now(), releasedAt: RELEASED_AT, ...watched, ...(newestFile === undefined ? {} : { newestFile }) }
}

function newestOf(directory: string): NonNullable<ClockFacts['newestFile']> | undefined {
  try {
    const files = readdirSync(directory).map((name) => {
      const path = join(directory, name)
      return { path, changedAt: statSync(path).mtimeMs }
    })
    return files.sort((left, right) => right.changedAt - left.changedAt)[0]
  } catch {
    // No directory yet, or a file that went away: then there is nothing to compare with.
    return undefined
  }
}

export async function relayFacts(directory: string): Promise<RelayFacts> {
  try {
    const client = await connectControl(join(directory, SOCKET_NAME))
    if (client === undefined) return { kind: 'not-running' }
    const { pid, readiness } = await client.status()
    return { kind: 'running', pid, ...readiness }
  } catch (error) {
    return { kind: 'unreachable', detail: describeError(error).text }
  }
}
