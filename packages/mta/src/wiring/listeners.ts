/**
 * Opens every `[[listener]]`, or none: when one cannot be opened the others are closed again.
 */
import { readFileSync } from 'node:fs'
import { err, ok, type Result } from '@hermetic/policy'
import type { Config, ListenerConfig } from '../config/schema.ts'
import { type CertificatePem, type Listener, type ListenerParts, startListener } from '../submission/listener.ts'
import { wholeOrNothing } from './opening.ts'
import type { StartProblem } from './start-problem.ts'

export interface OpenListener {
  readonly name: string
  readonly config: ListenerConfig
  readonly listener: Listener
}

export interface ListenerWorld extends Omit<ListenerParts, 'listener'> {
  /** For listeners on loopback without certificate files. */
  readonly selfSigned: () => Promise<CertificatePem>
}

export function openListeners(
  { listener: wanted }: Config,
  world: ListenerWorld,
): Promise<Result<readonly OpenListener[], StartProblem>> {
  return wholeOrNothing(async (opening) => {
    const opened: OpenListener[] = []
    for (const config of wanted) {
      const name = `${config.kind}:${config.port}`
      const started = await open(name, config, world)
      if (!started.ok) return started
      opening.closesWith(() => started.value.close(0))
      opened.push({ name, config, listener: started.value })
    }
    return ok(opened)
  })
}

async function open(
  name: string,
  config: ListenerConfig,
  { selfSigned, ...parts }: ListenerWorld,
): Promise<Result<Listener, StartProblem>> {
  const { kind, address, port, tls, require_auth: requireAuth, allow_networks: allowNetworks } = config
  const { repair_line_ends: repairLineEnds, proxy_networks: proxyNetworks } = config
  const certificate = await certificateOf(config, selfSigned)
  if (!certificate.ok) return certificate
  try {
    const started = await startListener({
      ...parts,
      listener: {
        ...{ name, kind, address, port, tls, requireAuth, allowNetworks, proxyNetworks, repairLineEnds },
        ...(certificate.value === undefined ? {} : { certificate: certificate.value }),
      },
    })
    return ok(started)
  } catch (error) {
    return err({ kind: 'listener', name, address, port, error })
  }
}

/** A function, so that a renewed file can be read again without a restart. */
async function certificateOf(
  { tls, cert_file: certFile, key_file: keyFile }: ListenerConfig,
  selfSigned: () => Promise<CertificatePem>,
): Promise<Result<(() => CertificatePem) | undefined, StartProblem>> {
  if (tls === 'none') return ok(undefined)
  try {
    if (certFile !== undefined && keyFile !== undefined) {
      const read = (): CertificatePem => ({ cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') })
      read()
      return ok(read)
    }
    const made = await selfSigned()
    return ok(() => made)
  } catch (error) {
    return err({ kind: 'certificate', path: certFile ?? 'the self-signed certificate in data_dir', error })
  }
}
