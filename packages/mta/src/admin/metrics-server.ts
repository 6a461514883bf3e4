/**
 * `/metrics`, `/healthz` and `/readyz`, and nothing else: what monitoring may see without a login.
 */
import { Hono } from 'hono'
import { type Heartbeat, STUCK_MS, startHeartbeat } from './heartbeat.ts'
import { type HttpService, serveHttp } from './http-service.ts'
import type { Readiness } from './readiness.ts'

export interface MetricsServerOptions {
  readonly listen: { readonly address: string; readonly port: number }
  scrape(): Promise<{ readonly contentType: string; readonly text: string }>
  readiness(): Readiness
  /** Absent: a heartbeat of its own. */
  readonly heartbeat?: Heartbeat
}

export async function startMetricsServer(options: MetricsServerOptions): Promise<HttpService> {
  const heartbeat = options.heartbeat ?? startHeartbeat()
  const service = await serveHttp(metricsApp(options, heartbeat), { kind: 'tcp', ...options.listen }).catch((error) => {
    heartbeat.stop()
    throw error
  })
  return {
    port: service.port,
    close: () => {
      heartbeat.stop()
      return service.close()
    },
  }
}

function metricsApp({ scrape, readiness }: MetricsServerOptions, heartbeat: Heartbeat): Hono {
  const app = new Hono()
  app.get('/metrics', async (context) => {
    const { contentType, text } = await scrape()
    return context.body(text, 200, { 'content-type': contentType })
  })
  app.get('/healthz', (context) => {
    const silentMs = Math.round(heartbeat.silentMs())
    const alive = silentMs < STUCK_MS
    return context.json({ alive, event_loop_silent_ms: silentMs }, alive ? 200 : 503)
  })
  app.get('/readyz', (context) => {
    const { ready, reasons, notes } = readiness()
    return context.json({ ready, reasons, notes }, ready ? 200 : 503)
  })
  return app
}
