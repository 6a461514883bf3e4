/**
 * Daily reports for the command line: the running relay's, over its socket; when none runs, what `tlsrpt.db` holds, to look
 * at. Only a relay sends.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { openSqliteResultStore } from '@hermetic/reporter'
import { connectControl } from '../admin/control-client.ts'
import { SOCKET_NAME } from '../admin/control-protocol.ts'
import type { Config } from '../config/schema.ts'
import { createReportAdmin, type ReportAdmin } from '../reporting/report-admin.ts'
import { formatAddress } from '../smtp/mail-address.ts'
import { nameServers, openDoctorResolver } from './doctor/gather-network.ts'
import { resultStoreProblemText } from './result-store-text.ts'
import { UserError } from './verb.ts'

export interface OpenedReports {
  readonly reports: ReportAdmin
  /** `file`: no relay runs. */
  readonly by: 'relay' | 'file'
  close(): void
}

export const NO_RELAY = 'no relay runs, and only a relay sends reports: hermetic start'

/** Undefined when nothing was ever counted here. */
export async function openReports(config: Config): Promise<OpenedReports | undefined> {
  const relay = await connectControl(join(config.data_dir, SOCKET_NAME))
  if (relay !== undefined) return { reports: relay.reports, by: 'relay', close: () => undefined }
  if (config.queue.engine !== 'embedded') throw new UserError(NO_RELAY)
  if (!existsSync(join(config.data_dir, 'tlsrpt.db'))) return undefined
  const opened = openSqliteResultStore({ dataDir: config.data_dir, now: Date.now })
  if (!opened.ok) throw new UserError(resultStoreProblemText(opened.error))
  const store = opened.value
  const { organization = '', contact } = config.tlsrpt
  const reports = createReportAdmin({
    store,
    resolver: { txt: async (...asked) => (await resolver(config)).txt(...asked) },
    reporter: { organizationName: organization, contactInfo: contact === undefined ? '' : formatAddress(contact) },
    sender: { run: () => Promise.reject(new UserError(NO_RELAY)) },
    now: Date.now,
  })
  return { reports, by: 'file', close: () => store.close() }
}

async function resolver(config: Config): Promise<ReturnType<typeof openDoctorResolver>> {
  const found = await nameServers(config.dns.servers)
  if ('problem' in found) throw new UserError(`no name server can be asked: ${found.problem}`)
  return openDoctorResolver(found.servers)
}
