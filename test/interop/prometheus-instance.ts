/** A real Prometheus for one test: our rules, our job, scraping as often as it is told. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './relay-instance.ts'

const RULES = new URL('../../deploy/prometheus/', import.meta.url)
const READY_MS = 20_000

export class PrometheusInstance implements AsyncDisposable {
  readonly url: string
  readonly #child: ChildProcess

  static async start(options: {
    readonly dir: string
    /** By the name that shows as the instance: the port of /metrics on loopback. */
    readonly targets: Readonly<Record<string, number>>
    readonly scrapeSeconds: number
  }): Promise<PrometheusInstance> {
    const { dir, targets, scrapeSeconds } = options
    mkdirSync(dir, { recursive: true })
    for (const rules of ['recording.yml', 'alerts.yml']) copyFileSync(new URL(rules, RULES), join(dir, rules))
    const every = `${scrapeSeconds}s`
    const listed = Object.entries(targets).map(([instance, port]) => {
      return { targets: [`127.0.0.1:${port}`], labels: { instance } }
    })
    const file = join(dir, 'prometheus.yml')
    writeFileSync(
      file,
      JSON.stringify({
        global: { scrape_interval: every, evaluation_interval: every },
        rule_files: ['recording.yml', 'alerts.yml'],
        scrape_configs: [{ job_name: 'hermetic', static_configs: listed }],
      }),
    )
    const port = await freePort()
    const words = [`--config.file=${file}`, `--storage.tsdb.path=${join(dir, 'tsdb')}`]
    const child = spawn('prometheus', [...words, `--web.listen-address=127.0.0.1:${port}`], { stdio: 'ignore' })
    const prometheus = new PrometheusInstance(child, `http://127.0.0.1:${port}`)
    await prometheus.#untilReady()
    return prometheus
  }

  private constructor(child: ChildProcess, url: string) {
    this.#child = child
    this.url = url
  }

  async #untilReady(): Promise<void> {
    const giveUpAt = performance.now() + READY_MS
    for (;;) {
      const answer = await fetch(`${this.url}/-/ready`).catch(() => undefined)
      if (answer?.ok === true) return
      if (this.#child.exitCode !== null || performance.now() > giveUpAt) throw new Error('Prometheus does not start')
      await sleep(50)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }
}
