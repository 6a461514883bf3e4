/**
 * Daily reports for the command line: the running relay's, over its socket; when none runs, what `tlsrpt.db` holds, to look
 * at. Only a relay sends.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openSqliteResultStore, RedisResultStore, type ResultStore } from '@hermetic/reporter'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import { createReportAdmin, type ReportAdmin } from '../reporting/report-admin.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { openRedisGround, type RedisQueueConfig } from '../wiring/redis-ground.ts'
import { nameServers, openDoctorResolver } from './doctor/gather-network.ts'
import { resultStoreProblemText } from './result-store-text.ts'
import { UserError } from './verb.ts'

export interface OpenedReports {
  readonly reports: ReportAdmin
  /** `file`, `redis`: no relay runs here. */
  readonly by: 'relay' | 'file' | 'redis'
  close(): void
}

export const NO_RELAY = 'no relay runs, and only a relay sends reports: hermetic start'

/** Undefined when nothing was ever counted here. */
export async function openReports(config: Config): Promise<OpenedReports | undefined> {
  const relay = await connectControl(join(config.data_dir, SOCKET_NAME))
  if (relay !== undefined) return { reports: relay.reports, by: 'relay', close: () => undefined }
  const opened = config.queue.engine === 'redis' ? await openShared(config.queue) : openFile(config.data_dir)
  if (opened === undefined) return undefined
  const { store, by, close } = opened
  const { organization = '', contact } = config.tlsrpt
  const reports = createReportAdmin({
    store,
    resolver: { txt: async (...asked) => (await resolver(config)).txt(...asked) },
    reporter: { organizationName: organization, contactInfo: contact === undefined ? '' : formatAddress(contact) },
    sender: { run: () => Promise.reject(new UserError(NO_RELAY)) },
    now: Date.now,
  })
  return { reports, by, close }
}

/** Whoever looks without a relay is told what at. */
export function sourceText(by: OpenedReports['by']): string {
  return READING[by]
}

const READING = {
  relay: '',
  file: 'No relay runs; reading tlsrpt.db.\n',
  redis: 'No relay runs on this data_dir; reading Redis directly.\n',
} as const

type OpenedStore = Pick<OpenedReports, 'by' | 'close'> & { readonly store: ResultStore }

function openFile(dataDir: string): OpenedStore | undefined {
  if (!existsSync(join(dataDir, 'tlsrpt.db'))) return undefined
  const opened = openSqliteResultStore({ dataDir, now: Date.now })
  if (!opened.ok) throw new UserError(resultStoreProblemText(opened.error))
  const store = opened.value
  return { store, by: 'file', close: () => store.close() }
}

async function openShared(queue: RedisQueueConfig): Promise<OpenedStore> {
  const ground = await openRedisGround(queue)
  const store = new RedisResultStore({ client: ground.clientAt('results'), name: ground.queue, now: Date.now })
  return { store, by: 'redis', close: () => ground.close() }
}

async function resolver(config: Config): Promise<ReturnType<typeof openDoctorResolver>> {
  const found = await nameServers(config.dns.servers)
  if ('problem' in found) throw new UserError(`no name server can be asked: ${found.problem}`)
  return openDoctorResolver(found.servers)
}
