/** The control API of a process that has the role: its tokens, its audit in data_dir, its certificate, its server. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSecureContext } from 'node:tls'
import { err, ok, type Result } from '@hermetic/policy'
import type { ControlOrder } from '../admin/control-order.ts'
import type { HttpService, TlsPem } from '../admin/http-service.ts'
import { ApiAudit, AUDIT_NAME } from '../api/audit.ts'
import { API_PATH } from '../api/endpoints.ts'
import { ownNames } from '../api/host-names.ts'
import { startApiServer } from '../api/server.ts'
import { ApiTokens } from '../api/tokens.ts'
import { isLoopback } from '../config/loopback.ts'
import type { Config } from '../config/schema.ts'
import { describeSystemError } from '../config/system-error.ts'
import type { LogEvent } from '../observability/log-events.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import type { Opening } from './opening.ts'
import type { Reloadable } from './reload.ts'
import { servedRoles } from './served-roles.ts'
import type { StartProblem } from './start-problem.ts'

export interface ApiSide extends Reloadable, Pick<HttpService, 'close'> {
  /** Where it really listens. */
  readonly port: number
}

export interface ApiParts {
  readonly orders: readonly ControlOrder[]
  readonly opening: Opening
  readonly emit: (event: LogEvent) => void
}

const monotonic = (): number => performance.now()

/** Undefined: another process has the role, or nobody wants it. */
export async function openApi(
  config: Config,
  { orders, opening, emit }: ApiParts,
): Promise<Result<ApiSide | undefined, StartProblem>> {
  const { listen, token_file: tokenFile } = config.api
  if (!servedRoles(config).includes('api') || listen === undefined || tokenFile === undefined) return ok(undefined)
  const tokens = new ApiTokens({ path: tokenFile, emit, monotonic })
  const loaded = await tokens.load()
  if (!loaded.ok) return err({ kind: 'api-tokens', path: tokenFile, detail: loaded.error })
  const { address, port } = listen
  let service: HttpService
  try {
    service = await startApiServer({
      place: { kind: 'tcp', address, port, tls: certificateOf(config) },
      ...{ orders, tokens, monotonic, emit, now: Date.now },
      audit: new ApiAudit(join(config.data_dir, AUDIT_NAME)),
      names: namesOf(config, listen),
      onDefect: (error) => emit({ event: 'admin-failed', service: 'api', detail: String(error.stack ?? error) }),
    })
  } catch (error) {
    return err({ kind: 'api', address, port, error })
  }
  opening.closesWith(() => service.close())
  const scheme = config.api.cert_file === undefined ? 'http' : 'https'
  emit({
    event: 'admin-listening',
    service: 'api',
    place: `${scheme}://${urlHost(address)}:${service.port}${API_PATH}`,
  })
  return ok({ ...{ port: service.port, close: () => service.close() }, prepare: (next) => prepared(next, service) })
}

/** Tokens follow their file by themselves. */
function prepared(next: Config, service: HttpService): Result<() => void, string> {
  try {
    const pem = certificateOf(next)
    return ok(() => {
      if (pem !== undefined) service.useTls?.(pem)
    })
  } catch (error) {
    return err(`${next.api.cert_file} cannot be used: ${describeSystemError(error)}`)
  }
}

function certificateOf({ api: { cert_file: cert, key_file: key } }: Config): TlsPem | undefined {
  if (cert === undefined || key === undefined) return undefined
  const pem = { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  createSecureContext(pem)
  return pem
}

function namesOf({ api, hostname }: Config, { address }: { readonly address: string }): ReadonlySet<string> {
  return ownNames({ address, named: api.hosts, hostname: formatDomain(hostname) }, isLoopback(address))
}

function urlHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
