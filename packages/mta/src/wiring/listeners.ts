/**
 * Opens every `[[listener]]`, or none: when one cannot be opened the others are closed again. Open ones go on with other
 * rules and certificates when the configuration is read again.
 */
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import { err, ok, type Result } from '@hermetic/policy'
import type { Config, ListenerConfig } from '../config/schema.ts'
import { describeSystemError } from '../config/system-error.ts'
import {
  type CertificatePem,
  type Listener,
  type ListenerOptions,
  type ListenerParts,
  startListener,
} from '../submission/listener.ts'
import type { CertificateWatch } from './certificate-watch.ts'
import { wholeOrNothing } from './opening.ts'
import type { StartProblem } from './start-problem.ts'

export interface OpenListener {
  readonly name: string
  readonly config: ListenerConfig
  readonly listener: Listener
}

/** What all listeners share, as the configuration of the moment says it. */
export type ListenerWorld = Omit<ListenerParts, 'listener'>

export interface CertificateSources {
  /** For listeners on loopback without certificate files. */
  readonly selfSigned: () => Promise<CertificatePem>
  readonly certificates: Pick<CertificateWatch, 'shown'>
  /** Other threads listen on the same ports; absent: nobody does. */
  readonly shared?: SharedPorts
}

export interface SharedPorts {
  /** Those that another thread was given, in order of the configuration; absent: it is the first. */
  readonly ports: readonly number[] | undefined
}

export function openListeners(
  { listener: wanted }: Config,
  world: ListenerWorld,
  sources: CertificateSources,
): Promise<Result<readonly OpenListener[], StartProblem>> {
  return wholeOrNothing(async (opening) => {
    const opened: OpenListener[] = []
    for (const [at, config] of wanted.entries()) {
      const name = `${config.kind}:${config.port}`
      const port = sources.shared?.ports?.[at] ?? config.port
      const started = await open(name, { ...config, port }, { world, sources })
      if (!started.ok) return started
      opening.closesWith(() => started.value.close(0))
      opened.push({ name, config, listener: started.value })
    }
    return ok(opened)
  })
}

interface OpenParts {
  readonly world: ListenerWorld
  readonly sources: CertificateSources
}

async function open(
  name: string,
  config: ListenerConfig,
  { world, sources }: OpenParts,
): Promise<Result<Listener, StartProblem>> {
  const { address, port } = config
  let pem: CertificatePem | undefined
  try {
    pem = await certificateOf(config, sources)
  } catch (error) {
    return err({ kind: 'certificate', path: certificatePath(config), error })
  }
  try {
    const started = await startListener({
      ...world,
      listener: { ...listenerOptions(name, config, pem), reusePort: sources.shared !== undefined },
    })
    if (pem !== undefined) sources.certificates.shown(name, pem.cert)
    return ok(started)
  } catch (error) {
    return err({ kind: 'listener', name, address, port, error })
  }
}

/** For whoever has listeners elsewhere: every certificate can be read and used. Makes the self-signed one. */
export async function tryCertificates(
  { listener: wanted }: Pick<Config, 'listener'>,
  selfSigned: CertificateSources['selfSigned'],
): Promise<Result<void, Extract<StartProblem, { readonly kind: 'certificate' }>>> {
  for (const config of wanted) {
    try {
      await certificateOf(config, { selfSigned })
    } catch (error) {
      return err({ kind: 'certificate', path: certificatePath(config), error })
    }
  }
  return ok(undefined)
}

/** Certificates are read and tried; the answer lets all listeners go on with them and with the rules of `world`. */
export async function prepareListeners(
  open: readonly OpenListener[],
  { listener: wanted }: Config,
  { world, sources }: OpenParts,
): Promise<Result<() => void, string>> {
  const takeOver: (() => void)[] = []
  for (const [index, { name, listener }] of open.entries()) {
    const config = wanted[index]
    if (config === undefined) return err(`there is no listener ${index} any more`)
    try {
      const pem = await certificateOf(config, sources)
      takeOver.push(() => {
        listener.use({ ...world, listener: listenerOptions(name, config, pem) }, pem)
        if (pem !== undefined) sources.certificates.shown(name, pem.cert)
      })
    } catch (error) {
      return err(`${certificatePath(config)} cannot be used: ${describeSystemError(error)}`)
    }
  }
  return ok(() => {
    for (const one of takeOver) one()
  })
}

function listenerOptions(name: string, config: ListenerConfig, pem: CertificatePem | undefined): ListenerOptions {
  const { kind, address, port, tls, require_auth: requireAuth, allow_networks: allowNetworks } = config
  const { repair_line_ends: repairLineEnds, encode_8bit: encodeEightBit, proxy_networks: proxyNetworks } = config
  return {
    ...{ name, kind, address, port, tls, requireAuth, allowNetworks, proxyNetworks, repairLineEnds, encodeEightBit },
    ...(pem === undefined ? {} : { certificate: () => pem }),
  }
}

/** Rejects when it cannot be read, or not be used. */
async function certificateOf(
  { tls, cert_file: certFile, key_file: keyFile }: ListenerConfig,
  { selfSigned }: Pick<CertificateSources, 'selfSigned'>,
): Promise<CertificatePem | undefined> {
  if (tls === 'none') return undefined
  if (certFile === undefined || keyFile === undefined) return selfSigned()
  const pem = { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
  createSecureContext(pem)
  return pem
}

function certificatePath({ cert_file: certFile }: ListenerConfig): string {
  return certFile ?? 'the self-signed certificate in data_dir'
}
