/**
 * The dashboard, the alerts and the recording rules before a real Prometheus that scrapes real relays with real
 * trouble: every query is understood, and every one of the dashboard shows something.
 */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { parse } from 'yaml'
import { type Drawn, drawDashboard } from '../../tools/dashboard/draw.ts'
import { queryRange, type Series, type Span } from '../../tools/dashboard/prometheus-api.ts'
import { PrometheusInstance } from './prometheus-instance.ts'
import { DESTINATIONS, type DestinationName, WatchedRelays } from './watched-relays.ts'

const RULES = new URL('../../deploy/prometheus/', import.meta.url)
const ALL = Object.keys(DESTINATIONS) as DestinationName[]
const SETTLED_MS = 20_000
/** stripped.test, wrong-name.test and dane-other.test. */
const REFUSED = 3

interface Rule {
  readonly alert?: string
  readonly record?: string
  readonly expr: string
}

let world: WatchedRelays
let prometheus: PrometheusInstance
let span: Span

before(async () => {
  world = await WatchedRelays.start()
  prometheus = await PrometheusInstance.start({
    dir: join(world.directory, 'prometheus'),
    targets: world.metricsPorts,
    scrapeSeconds: 1,
  })
  await sleep(1_500)
  const from = Math.floor(Date.now() / 1_000)
  await world.submit(ALL)
  await world.submit(ALL, 1)
  await untilCounted('sum(hermetic_dane_sessions_total{result="certificate-not-trusted"})')
  await untilCounted('sum(hermetic_dsns_total)')
  await world.submit(ALL)
  await sleep(2_500)
  span = { from, to: Math.floor(Date.now() / 1_000), step: 1 }
})
after(async () => {
  await prometheus?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
})

describe('the dashboard', () => {
  let drawn: Drawn

  test('shows something in every panel, by every one of its queries', async () => {
    const variables = { job: 'hermetic', instance: '.*', rateInterval: '5s' }
    drawn = await drawDashboard(prometheus.url, { variables, span })
    assert.deepEqual(drawn.silent, [])
  })

  test('tells whose policies refused mail, and why', () => {
    for (const words of [
      'mta-sts: starttls-not-offered',
      'mta-sts: certificate-name-mismatch',
      'dane: tlsa-mismatch',
      'mta-sts testing: certificate-host-mismatch',
      'notification: failed',
    ])
      assert.ok(drawn.svg.includes(`>${words}<`), words)
  })

  test('counts next hops that are refused once, however many messages were: each relay those that it met', async () => {
    const [most] = await last('max(hermetic_policy_refused_domains)')
    const [sum] = await last('sum(hermetic_policy_refused_domains)')
    assert.ok(most !== undefined && sum !== undefined)
    assert.ok(lastValue(most) <= REFUSED && lastValue(sum) >= REFUSED && lastValue(sum) <= 2 * REFUSED)
  })
})

describe('rules', () => {
  for (const file of ['recording.yml', 'alerts.yml']) {
    const { groups }: { readonly groups: readonly { readonly rules: readonly Rule[] }[] } = parse(
      readFileSync(new URL(file, RULES), 'utf8'),
    )
    for (const { alert, record, expr } of groups.flatMap(({ rules }) => rules)) {
      test(`${alert ?? record} is understood${record === undefined ? '' : ', and says something'}`, async () => {
        const series = await last(expr)
        if (record !== undefined) assert.ok((await last(record)).length > 0 && series.length > 0)
      })
    }
  }

  test('the alert about what a policy refuses is on its way, the one about a relay that is gone is not', async () => {
    const pending = await last('ALERTS{alertstate=~"pending|firing"}')
    const names = pending.map(({ labels }) => labels['alertname'])
    assert.ok(names.includes('HermeticPolicyRefuses'), names.join())
    assert.ok(!names.includes('HermeticRelayDown') && !names.includes('HermeticNodeSilent'), names.join())
  })
})

function last(query: string): Promise<readonly Series[]> {
  return queryRange(prometheus.url, query, { from: span.to - 1, to: span.to, step: 1 })
}

function lastValue({ points }: Series): number {
  return points.at(-1)?.[1] ?? Number.NaN
}

async function untilCounted(query: string): Promise<void> {
  const giveUpAt = performance.now() + SETTLED_MS
  for (;;) {
    const now = Math.floor(Date.now() / 1_000)
    const series = await queryRange(prometheus.url, query, { from: now - 1, to: now, step: 1 })
    if (series.some((one) => lastValue(one) > 0)) return
    assert.ok(performance.now() < giveUpAt, `${query}\n${world.relays.map(({ output }) => output).join('\n')}`)
    await sleep(200)
  }
}
