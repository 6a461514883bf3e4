/**
 * Draws the dashboard of deploy/grafana without a Grafana: asks a Prometheus for every panel and writes one SVG.
 *
 *   ./tools/node tools/dashboard.ts --prometheus http://127.0.0.1:9090 --minutes 180 --out dashboard.svg
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { drawDashboard } from './dashboard/draw.ts'

const { values } = parseArgs({
  options: {
    prometheus: { type: 'string', default: 'http://127.0.0.1:9090' },
    minutes: { type: 'string', default: '180' },
    'rate-interval': { type: 'string', default: '1m' },
    job: { type: 'string', default: 'hermetic' },
    out: { type: 'string', default: 'dashboard.svg' },
  },
})
const to = Math.floor(Date.now() / 1_000)
const seconds = Number(values.minutes) * 60
try {
  const { svg, silent } = await drawDashboard(values.prometheus, {
    variables: { job: values.job, instance: '.*', rateInterval: values['rate-interval'] },
    span: { from: to - seconds, to, step: Math.max(1, Math.round(seconds / 240)) },
  })
  writeFileSync(values.out, svg)
  console.log(`Written: ${values.out}`)
  for (const query of silent) console.log(`no series: ${query}`)
} catch (error) {
  console.error(`dashboard: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}
