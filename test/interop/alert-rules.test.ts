/** Alerts and recording rules before promtool: they are valid, each fires when it shall, and each says what to do. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { METRICS } from '../../packages/mta/src/observability/metrics.ts'
import { DASHBOARD } from '../../tools/dashboard/draw.ts'
import { readPanels } from '../../tools/dashboard/panels.ts'

const ROOT = new URL('../../', import.meta.url)
const FOLDER = new URL('deploy/prometheus/', ROOT)

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

const { groups }: { readonly groups: readonly { readonly rules: readonly Alert[] }[] } = parse(read('alerts.yml'))
const ALERTS = groups.flatMap(({ rules }) => rules)

describe('promtool', () => {
  for (const [what, words] of [
    ['takes the configuration', ['check', 'config', 'prometheus.yml']],
    ['takes the rules', ['check', 'rules', '--lint=all', '--lint-fatal', 'recording.yml', 'alerts.yml']],
    ['sees every unit test pass', ['test', 'rules', 'alerts.test.yml']],
  ] as const) {
    test(what, () => {
      const { status, stdout, stderr } = spawnSync('promtool', words, { cwd: FOLDER, encoding: 'utf8' })
      assert.equal(status, 0, stdout + stderr)
    })
  }
})

describe('alerts', () => {
  const tests = read('alerts.test.yml')

  test('each fires in a unit test', () => {
    const untested = ALERTS.filter(({ alert }) => !tests.includes(`alertname="${alert}"`)).map(({ alert }) => alert)
    assert.deepEqual(untested, [])
  })

  test('each says how bad it is, what happened, what to do, and where to read on', () => {
    const page = readFileSync(new URL('docs/operating/monitoring.md', ROOT), 'utf8')
    const sections = new Set([...page.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.replaceAll(' ', '-')))
    for (const { alert, labels, annotations } of ALERTS) {
      assert.match(labels['severity'] ?? '', /^(?:critical|warning|info)$/, alert)
      assert.ok((annotations['summary'] ?? '').length > 10 && (annotations['description'] ?? '').length > 40, alert)
      const [file, anchor = ''] = (annotations['docs'] ?? '').split('#')
      assert.equal(file, 'docs/operating/monitoring.md', alert)
      assert.ok(sections.has(anchor), `${alert}: ${anchor} is no section`)
      assert.ok(page.includes(`\`${alert}\``), `${alert} is not in its section`)
    }
  })
})

test('rules and dashboard ask only for metrics that a relay has', () => {
  const recording: { readonly groups: readonly { readonly rules: readonly { readonly expr: string }[] }[] } = parse(
    read('recording.yml'),
  )
  const panels = readPanels(DASHBOARD, { job: 'hermetic', instance: '.*', rateInterval: '1m' })
  const queries = [
    ...ALERTS.map(({ expr }) => expr),
    ...recording.groups.flatMap(({ rules }) => rules.map(({ expr }) => expr)),
    ...panels.flatMap((panel) => panel.queries.map(({ expr }) => expr)),
  ]
  const asked = new Set(queries.flatMap((query) => query.match(/hermetic_\w+/g) ?? []))
  const unknown = [...asked].filter((name) => !(name.replace(/_bucket$/, '') in METRICS))
  assert.ok(asked.size > 30)
  assert.deepEqual(unknown, [])
})

function read(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8')
}
