/**
 * `data_dir/admin.sock`: the verbs of the command line, for whoever may open the socket (mode 0600). There is
 * no other way to order anything from a running relay.
 */
import { rmSync } from 'node:fs'
import { connect } from 'node:net'
import { type Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import { systemErrorCode } from '../config/system-error.ts'
import type { ControlOrder } from './control-order.ts'
import { type ControlOrdersOptions, controlOrders, unavailable } from './control-orders.ts'
import { REQUEST_BYTES_MAX } from './control-protocol.ts'
import { type HttpService, serveHttp } from './http-service.ts'

export interface ControlSocketOptions extends ControlOrdersOptions {
  readonly path: string
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

function controlApp({ emit, ...options }: ControlSocketOptions): Hono {
  const app = new Hono()
  app.use(bodyLimit({ maxSize: REQUEST_BYTES_MAX, onError: (context) => context.json({ error: 'too-large' }, 413) }))
  for (const order of controlOrders({ ...options, emit })) app.post(order.path, (context) => answer(context, order))
  app.onError((error, context) => {
    const detail = unavailable(error)
    if (detail !== undefined) return context.json({ error: 'unavailable', detail }, 503)
    emit({ event: 'admin-failed', service: 'control', detail: String(error.stack ?? error) })
    return context.json({ error: 'defect', detail: error.message }, 500)
  })
  return app
}

async function answer(context: Context, order: ControlOrder): Promise<Response> {
  const parsed = order.parse(await context.req.json().catch(() => undefined))
  if (!parsed.ok) return context.json({ error: 'bad-request', detail: parsed.error }, 400)
  return context.json((await parsed.value(context.req.raw.signal)) ?? null)
}
