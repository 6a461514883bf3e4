/**
 * DNS with a verdict on DNSSEC for one run of the command line: decided as the relay would decide it, with an unbound
 * in a directory of its own, and nothing remembered.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type NameServer, openTrustedDns, programFolders, type TrustedDns } from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import type { DnssecSurroundings } from './dnssec-side.ts'

export interface ServersHere {
  readonly servers: readonly [NameServer, ...NameServer[]]
  readonly serversNamed: boolean
}

/** A person waits: what is not there after this is reported as not there. */
const PATIENCE_MS = 3_000

export async function openDnssecHere(
  config: Pick<Config, 'dns' | 'dane'>,
  servers: ServersHere,
  { anchors, timing, folders = programFolders(process.env['PATH'] ?? '') }: DnssecSurroundings = {},
): Promise<TrustedDns> {
  const directory = await mkdtemp(join(tmpdir(), 'hermetic-dnssec-'))
  const dns = await openTrustedDns({
    ...servers,
    trust: config.dns.trust,
    // "true" would wait for a validator; here it is told that there is none.
    dane: config.dane.enabled === false ? false : 'auto',
    remembered: false,
    remember: async () => undefined,
    unbound: { directory, folders, ...(anchors === undefined ? {} : { anchors }) },
    emit: () => undefined,
    timing: { patienceMs: PATIENCE_MS, ...timing },
  })
  return {
    ...{ resolver: dns.resolver, released: dns.released },
    state: () => dns.state(),
    danePossible: () => dns.danePossible(),
    close: async () => {
      await dns.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
