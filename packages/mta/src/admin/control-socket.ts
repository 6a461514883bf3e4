/**
 * `data_dir/admin.sock`: the verbs of the command line, for whoever may open the socket (mode 0600). There is
 * no other way to order anything from a running relay.
 */
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { z } from 'zod'
import { systemErrorCode } from '../config/system-error.ts'
import type { RelayEvent } from '../observability/relay-events.ts'
import { type QueueAction, type QueueChange, type SpoolAdmin, StoreUnavailable } from '../spool/spool.ts'
import {
  changeRequest,
  exactFilter,
  listRequest,
  REQUEST_BYTES_MAX,
  type RelayStatus,
  showRequest,
} from './control-protocol.ts'
import { type HttpService, serveHttp } from './http-service.ts'

export interface ControlSocketOptions {
  readonly path: string
  readonly queue: SpoolAdmin
  status(): Promise<RelayStatus>
  /** Messages are due now that were not before, or the other way round. */
  queueChanged(action: QueueAction, changes: readonly QueueChange[]): void
  readonly emit: (event: RelayEvent) => void
}

/** Another relay answers on the socket. */
export class SocketInUse extends Error {
  override readonly name = 'SocketInUse'
}

/** Rejects with `SocketInUse`, or with the system's error. */
export async function startControlSocket(options: ControlSocketOptions): Promise<HttpService> {
  if (await somebodyAnswers(options.path)) throw new SocketInUse(options.path)
  // Left behind by a relay that was killed: nobody listens on it any more.
  rmSync(options.path, { force: true })
  return serveHttp(controlApp(options), { kind: 'socket', path: options.path })
}

function somebodyAnswers(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error) => {
      const code = systemErrorCode(error)
      if (code === 'ENOENT' || code === 'ECONNREFUSED') resolve(false)
      else reject(error)
    })
  })
}

function controlApp({ queue, status, queueChanged, emit }: ControlSocketOptions): Hono {
  const app = new Hono()
  app.use(bodyLimit({ maxSize: REQUEST_BYTES_MAX, onError: (context) => context.json({ error: 'too-large' }, 413) }))

  app.post('/status', async (context) => context.json(await status()))
  app.post('/queue/summary', async (context) => context.json(await queue.summary()))
  app.post('/queue/list', (context) =>
    answer(context, listRequest, ({ filter, limit, after }) =>
      queue.list(exactFilter(filter), after === undefined ? { limit } : { limit, after }),
    ),
  )
  app.post('/queue/show', (context) => answer(context, showRequest, async ({ id }) => (await queue.show(id)) ?? null))
  app.post('/queue/change', (context) =>
    answer(context, changeRequest, async ({ ids, action }) => {
      const changes = await queue.change(ids, action)
      const messages = changes.filter(({ result }) => result === 'done').length
      emit({ event: 'queue-ordered', action: action.kind, messages })
      queueChanged(action, changes)
      return changes
    }),
  )

  app.onError((error, context) => {
    if (error instanceof StoreUnavailable) return context.json({ error: 'unavailable', detail: error.message }, 503)
    emit({ event: 'admin-failed', service: 'control', detail: String(error.stack ?? error) })
    return context.json({ error: 'defect', detail: error.message }, 500)
  })
  return app
}

async function answer<T extends z.ZodType>(
  context: Context,
  request: T,
  act: (parsed: z.output<T>) => Promise<unknown>,
): Promise<Response> {
  const body: unknown = await context.req.json().catch(() => undefined)
  const parsed = request.safeParse(body)
  if (!parsed.success) {
    const detail = parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; ')
    return context.json({ error: 'bad-request', detail }, 400)
  }
  return context.json((await act(parsed.data)) ?? null)
}
