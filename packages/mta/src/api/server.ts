/**
 * The control API over HTTP: who asks is checked before what is asked, and both before anything is done. What happens is
 * decided by the orders (`admin/`), which the command line gives too.
 *
 * Deliberately absent: cookies, CORS, and anything that a browser would do for a page that is not ours.
 */
import { randomUUID } from 'node:crypto'
import { getConnInfo } from '@hono/node-server/conninfo'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { ControlOrder } from '../admin/control-order.ts'
import { unavailable } from '../admin/control-orders.ts'
import { REQUEST_BYTES_MAX } from '../admin/control-protocol.ts'
import { type HttpPlace, type HttpService, serveHttp } from '../admin/http-service.ts'
import { AuthFailures } from '../submission/auth-failures.ts'
import type { ApiAudit } from './audit.ts'
import { audited } from './audited.ts'
import { type Asked, carryOut } from './carry-out.ts'
import { type Endpoint, fieldsWithPage, type Given } from './endpoint.ts'
import { API_PATH, ENDPOINTS } from './endpoints.ts'
import type { ApiEvent, ApiRefusal } from './events.ts'
import { isOwnName } from './host-names.ts'
import { openApiText } from './openapi.ts'
import { ApiProblem, PROBLEMS, problemDetails } from './problem.ts'
import { CallRates } from './rates.ts'
import { readFields, readQuery } from './read-fields.ts'
import type { ApiTokens, Caller } from './tokens.ts'
import { sent } from './wire-names.ts'

export interface ApiServerOptions {
  readonly place: Extract<HttpPlace, { readonly kind: 'tcp' }>
  readonly orders: readonly ControlOrder[]
  readonly tokens: Pick<ApiTokens, 'callerOf'>
  readonly audit: ApiAudit
  /** What a request may call this server. */
  readonly names: ReadonlySet<string>
  /** Monotonic milliseconds. */
  readonly monotonic: () => number
  /** UTC milliseconds. */
  readonly now: () => number
  readonly emit: (event: ApiEvent) => void
  readonly onDefect: (error: Error) => void
  readonly requestTimeoutMs?: number
}

/** After it an order is left; what it has done by then is told. */
const ORDER_MS_MAX = 100_000
/** Times that one refusal of one kind is told, of each client: a flood must not be one of log lines as well. */
const TOLD_EVERY_MS = 10_000
const TOLD_CLIENTS_MAX = 1_000

const HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
}

type ApiContext = Context<{ Variables: { caller: Caller } }>

export function startApiServer(options: ApiServerOptions): Promise<HttpService> {
  const { place, requestTimeoutMs } = options
  return serveHttp(new Api(options).app(), place, requestTimeoutMs === undefined ? {} : { requestTimeoutMs })
}

class Api {
  readonly #options: ApiServerOptions
  readonly #orders: ReadonlyMap<string, ControlOrder>
  readonly #failures = new AuthFailures()
  readonly #rates: CallRates
  readonly #told = new Map<string, number>()

  constructor(options: ApiServerOptions) {
    this.#options = options
    this.#orders = new Map(options.orders.map((order) => [order.path, order]))
    this.#rates = new CallRates(options.monotonic)
  }

  app(): Hono {
    const app = new Hono<{ Variables: { caller: Caller } }>()
    app.use(async (context, next) => {
      for (const [name, value] of Object.entries(HEADERS)) context.header(name, value)
      if (!isOwnName(context.req.header('host'), this.#options.names))
        throw this.#refusal(context, 'host', 'wrong-host')
      await next()
    })
    app.use(async (context, next) => {
      context.set('caller', await this.#callerOf(context))
      await next()
    })
    app.use(bodyLimit({ maxSize: REQUEST_BYTES_MAX, onError: () => this.#tooLarge() }))
    app.get(`${API_PATH}/openapi.json`, (context) => context.body(OPENAPI, 200, { 'content-type': 'application/json' }))
    for (const endpoint of ENDPOINTS) {
      const path = `${API_PATH}${endpoint.path.replaceAll(/\{(\w+)\}/g, ':$1')}`
      app.on(endpoint.method, path, (context) => this.#answer(context, endpoint))
    }
    app.notFound((context) =>
      this.#problem(context, new ApiProblem(isPath(context.req.path) ? 'method-not-allowed' : 'not-found')),
    )
    app.onError((error, context) => this.#problem(context, this.#problemOf(error)))
    return app as unknown as Hono
  }

  /** Whoever guesses is slowed down before the secret is looked at. */
  async #callerOf(context: ApiContext): Promise<Caller> {
    const { tokens, monotonic } = this.#options
    const client = clientOf(context)
    if (this.#failures.exceeded(client, '', monotonic()))
      throw this.#refusal(context, 'too-many-failures', 'too-many', 60)
    const [, secret] = /^Bearer ([\x21-\x7e]+)$/i.exec(context.req.header('authorization') ?? '') ?? []
    if (secret === undefined) throw this.#refusal(context, 'no-token', 'no-token')
    const caller = await tokens.callerOf(secret)
    if (caller === undefined) {
      this.#failures.failed(client, '', monotonic())
      throw this.#refusal(context, 'unknown-token', 'no-token')
    }
    const waitS = this.#rates.waitS(caller.token)
    if (waitS > 0) throw this.#refusal(context, 'rate', 'too-many', waitS)
    return caller
  }

  async #answer(context: ApiContext, endpoint: Endpoint): Promise<Response> {
    const caller = context.get('caller')
    if (endpoint.role === 'operate' && caller.role !== 'operate') throw this.#refusal(context, 'role', 'forbidden')
    const given = await this.#givenOf(context, endpoint)
    const signal = AbortSignal.any([context.req.raw.signal, AbortSignal.timeout(ORDER_MS_MAX)])
    const asked: Asked = { endpoint, given, caller: caller.token, orders: this.#orders, signal }
    const act = (): Promise<unknown> => this.#inTurn(context, endpoint, () => carryOut(asked))
    const { audit, now, emit } = this.#options
    const answer =
      endpoint.role === 'read'
        ? await act()
        : await audited(act, {
            ...{ audit, now, emit, problemOf: (error) => this.#problemOf(error) },
            order: {
              id: randomUUID(),
              token: caller.token,
              client: clientOf(context),
              operation: endpoint.id,
              request: given,
            },
          })
    return context.json(sent(answer) ?? null)
  }

  async #inTurn(context: ApiContext, { long }: Endpoint, act: () => Promise<unknown>): Promise<unknown> {
    if (long !== true) return act()
    const done = await this.#rates.long(act)
    if (done === undefined) throw this.#refusal(context, 'busy', 'too-many', 5)
    return done.answer
  }

  async #givenOf({ req }: ApiContext, endpoint: Endpoint): Promise<Given> {
    const { method, inPath = {} } = endpoint
    const fields = fieldsWithPage(endpoint)
    const path = Object.fromEntries(Object.keys(inPath).map((name) => [name, [req.param(name) ?? '']]))
    const fromPath = readQuery(path, inPath)
    const fromRest = method === 'get' ? readQuery(req.queries(), fields) : readFields(await bodyOf(req), fields)
    for (const read of [fromPath, fromRest]) if (!read.ok) throw new ApiProblem('bad-request', read.error)
    return { ...(fromRest.ok ? fromRest.value : {}), ...(fromPath.ok ? fromPath.value : {}) }
  }

  #problemOf(error: unknown): ApiProblem {
    if (error instanceof ApiProblem) return error
    if (!(error instanceof Error)) return new ApiProblem('defect')
    const detail = unavailable(error)
    if (detail !== undefined) return new ApiProblem('unavailable', detail)
    this.#options.onDefect(error)
    return new ApiProblem('defect')
  }

  #problem(context: Context, { problem, detail, retryAfterS }: ApiProblem): Response {
    const { status } = PROBLEMS[problem]
    if (status === 401) context.header('www-authenticate', 'Bearer')
    if (retryAfterS !== undefined) context.header('retry-after', String(retryAfterS))
    return context.body(JSON.stringify(problemDetails(problem, detail)), status, {
      'content-type': 'application/problem+json',
    })
  }

  #tooLarge(): never {
    throw new ApiProblem('too-large', `a body has at most ${REQUEST_BYTES_MAX} octets`)
  }

  #refusal(context: ApiContext, because: ApiRefusal, problem: ApiProblem['problem'], retryAfterS?: number): ApiProblem {
    const { monotonic, emit } = this.#options
    const client = clientOf(context)
    const caller = context.get('caller') as Caller | undefined
    const key = `${because} ${client}`
    const now = monotonic()
    if (now - (this.#told.get(key) ?? Number.NEGATIVE_INFINITY) >= TOLD_EVERY_MS) {
      if (this.#told.size >= TOLD_CLIENTS_MAX) this.#told.clear()
      this.#told.set(key, now)
      emit({ event: 'api-refused', because, client, ...(caller === undefined ? {} : { token: caller.token }) })
    }
    return new ApiProblem(problem, undefined, retryAfterS)
  }
}

const OPENAPI = openApiText()

const PATHS = ENDPOINTS.map(({ path }) => new RegExp(`^${API_PATH}${path.replaceAll(/\{\w+\}/g, '[^/]+')}$`))

function isPath(path: string): boolean {
  return PATHS.some((known) => known.test(path))
}

function clientOf(context: Context): string {
  return getConnInfo(context).remote.address ?? 'unknown'
}

async function bodyOf(req: ApiContext['req']): Promise<unknown> {
  const text = await req.text()
  if (text === '') return {}
  if (!/^application\/json\b/i.test(req.header('content-type') ?? '')) throw new ApiProblem('not-json')
  try {
    return JSON.parse(text)
  } catch {
    throw new ApiProblem('bad-request', 'the body is not JSON')
  }
}
