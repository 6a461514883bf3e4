/**
 * The chart without a helm: rendered by Go's templates (deploy/helm/render), every manifest checked by the schemas of
 * Kubernetes and of the Prometheus Operator, for types and required fields by validators made from them, for fields
 * that nobody knows by the compiler; its values by their schema; its configuration by the relay.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Ajv } from 'ajv'
import { parse, parseAllDocuments } from 'yaml'
import { certificateFor } from '../lab/policy-certificates.ts'
import { labAuthority } from '../lab/world-host.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const CHART = `${ROOT}deploy/helm/hermetic`

interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels: Readonly<Record<string, string>> }
  readonly [field: string]: unknown
}

const NEEDED = {
  hostname: 'relay.example.com',
  postmaster: 'postmaster@example.com',
  queue: { existingSecret: 'hermetic-redis' },
  content: { existingClaim: 'hermetic-content' },
  tls: { existingSecret: 'hermetic-tls' },
}
const budget = { podDisruptionBudget: { enabled: true, maxUnavailable: 1 } }
/** Everything that the chart can do, switched on. */
const ALL = {
  ...NEEDED,
  queue: { redisUrl: 'redis://:secret@redis:6379/0', durability: 'relaxed' },
  config: '[tlsrpt]\nenabled = true\norganization = "Example"\ncontact = "tls@example.com"\n',
  envFromSecrets: ['smarthost'],
  mountSecrets: ['dkim'],
  imagePullSecrets: [{ name: 'pull' }],
  roles: {
    submission: { autoscaling: { enabled: true } },
    delivery: { autoscaling: { enabled: true, cpuUtilization: 80 } },
    reporter: budget,
    api: { enabled: true, ...budget },
  },
  api: { existingSecret: 'api-tokens' },
  service: { type: 'LoadBalancer', externalTrafficPolicy: 'Local', annotations: { a: 'b' } },
  metrics: { serviceMonitor: { enabled: true, labels: { release: 'x' } }, prometheusRule: { enabled: true } },
  networkPolicy: { submitters: [{ namespaceSelector: { matchLabels: { mail: 'yes' } } }] },
  podAnnotations: { a: 'b' },
  nodeSelector: { disk: 'fast' },
  tolerations: [{ key: 'mail', operator: 'Exists' }],
  affinity: { podAntiAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [] } },
  topologySpreadConstraints: [
    {
      maxSkew: 1,
      topologyKey: 'zone',
      whenUnsatisfiable: 'ScheduleAnyway',
      labelSelector: { matchLabels: { a: 'b' } },
    },
  ],
}

let directory: string
let program: string
let least: readonly Manifest[]
let most: readonly Manifest[]

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hermetic-chart-'))
  program = join(directory, 'render')
  const go = { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(directory, 'cache'), GOFLAGS: '' }
  const built = spawnSync('go', ['build', '-o', program, `${ROOT}deploy/helm/render/main.go`], {
    encoding: 'utf8',
    env: { ...process.env, ...go },
  })
  assert.equal(built.status, 0, built.stderr)
  least = manifests(NEEDED)
  most = manifests(ALL)
})
after(() => rmSync(directory, { recursive: true, force: true }))

describe('every manifest', () => {
  test('has the types and the required fields of its kind', async () => {
    for (const manifest of [...least, ...most]) {
      const { kind, metadata } = manifest
      const models: Readonly<Record<string, unknown>> = await import(moduleOf(manifest))
      const Model = models[kind] as new (value: Manifest) => { validate(): void }
      assert.doesNotThrow(() => new Model(manifest).validate(), `${kind} ${metadata.name}`)
    }
  })

  test('has no field that its kind does not know', () => {
    const folder = `${ROOT}test/node_modules/.chart`
    mkdirSync(folder, { recursive: true })
    try {
      const lines = [...least, ...most].map((manifest, index) => {
        const type = `import('${moduleOf(manifest)}').I${manifest.kind}`
        return `export const m${index}: ${type} = ${JSON.stringify(manifest)}`
      })
      writeFileSync(join(folder, 'manifests.ts'), lines.join('\n'))
      const flags = [
        '--noEmit',
        '--strict',
        '--skipLibCheck',
        '--module',
        'nodenext',
        '--target',
        'es2024',
        '--types',
        '',
      ]
      const compiler = `${ROOT}node_modules/typescript/bin/tsc`
      const words = [compiler, '--ignoreConfig', ...flags, join(folder, 'manifests.ts')]
      const checked = spawnSync(process.execPath, words, { encoding: 'utf8' })
      assert.equal(checked.status, 0, checked.stdout + checked.stderr)
    } finally {
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('is named once', () => {
    for (const rendered of [least, most]) {
      const names = rendered.map(({ kind, metadata }) => `${kind}/${metadata.name}`)
      assert.equal(new Set(names).size, names.length, names.join())
    }
  })
})

describe('the chart', () => {
  test('has a Deployment for each role, and around it what was asked for', () => {
    assert.deepEqual(kinds(least), {
      ...{ ConfigMap: 1, ServiceAccount: 1, Deployment: 3, PodDisruptionBudget: 2, Service: 2, NetworkPolicy: 3 },
    })
    assert.deepEqual(kinds(most), {
      ...{ ConfigMap: 1, Secret: 1, ServiceAccount: 1, Deployment: 4, PodDisruptionBudget: 4, Service: 3 },
      ...{ HorizontalPodAutoscaler: 2, NetworkPolicy: 4, ServiceMonitor: 1, PrometheusRule: 1 },
    })
  })

  test('scales delivery by how long due mail waits', () => {
    const hpa = most.find(
      ({ kind, metadata }) => kind === 'HorizontalPodAutoscaler' && metadata.name === 'mail-delivery',
    )
    assert.match(JSON.stringify(hpa), /"type":"External".*"name":"hermetic_queue_overdue_seconds".*"value":"30"/)
  })

  test('lets every pod run without rights on a read-only root, with time to end in order', () => {
    const deployments = most.filter(({ kind }) => kind === 'Deployment').map((one) => JSON.stringify(one))
    for (const text of deployments) {
      assert.match(text, /"runAsNonRoot":true,"runAsUser":10001/)
      assert.match(text, /"readOnlyRootFilesystem":true,"capabilities":\{"drop":\["ALL"\]\}/)
      assert.match(text, /"terminationGracePeriodSeconds":60/)
      assert.doesNotMatch(text, /secret@redis/)
    }
  })

  test('carries the rules of deploy/prometheus', () => {
    const folder = `${ROOT}deploy/prometheus/`
    const [recording, alerts] = ['recording.yml', 'alerts.yml'].map(
      (file) => parse(readFileSync(folder + file, 'utf8')).groups,
    )
    const rule = most.find(({ kind }) => kind === 'PrometheusRule')
    assert.deepEqual(rule?.['spec'], { groups: [...recording, ...alerts] })
    for (const file of ['recording.yml', 'alerts.yml']) {
      const copied = readFileSync(`${CHART}/files/${file}`, 'utf8')
      assert.equal(copied, readFileSync(folder + file, 'utf8'), `copy deploy/prometheus/${file} to the chart`)
    }
  })

  test('writes a configuration that the relay takes', async () => {
    const { key, cert } = await certificateFor('relay.example.com', 'good', await labAuthority())
    for (const [name, value] of [
      ['tls.crt', cert],
      ['tls.key', key],
    ] as const)
      writeFileSync(join(directory, name), String(value))
    for (const rendered of [least, most]) {
      const map = rendered.find(({ kind }) => kind === 'ConfigMap')?.['data'] as Readonly<Record<string, string>>
      const file = join(directory, 'hermetic.toml')
      const text = (map['hermetic.toml'] ?? '').replaceAll('/etc/hermetic-tls', directory).replace(/\[api\][^[]*/, '')
      writeFileSync(file, text)
      const checked = spawnSync(`${ROOT}hermetic`, ['check-config', '--config', file], {
        encoding: 'utf8',
        env: { ...process.env, HERMETIC_QUEUE__REDIS_URL: 'redis://127.0.0.1:6379/0' },
      })
      assert.equal(checked.status, 0, checked.stdout + checked.stderr)
    }
  })
})

describe('its values', () => {
  const schema: object = JSON.parse(readFileSync(`${CHART}/values.schema.json`, 'utf8'))
  const isValid = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true }).compile(schema)
  const defaults: object = parse(readFileSync(`${CHART}/values.yaml`, 'utf8'))

  test('fit their schema, once what is needed is there', () => {
    assert.ok(!isValid(defaults), 'the defaults alone name no host')
    for (const values of [NEEDED, ALL]) assert.ok(isValid(merged(defaults, values)), JSON.stringify(isValid.errors))
  })

  for (const [what, values] of [
    ['a key that nobody knows', { replicas: 3 }],
    ['a role that there is not', { roles: { sender: { enabled: true } } }],
    [
      'a port below 1024 in the pod',
      { listeners: [{ name: 'a', kind: 'submission', tls: 'none', port: 587, servicePort: 587 }] },
    ],
    ['a host name of one word', { hostname: 'relay' }],
    ['a grace that is shorter than delivery needs', { terminationGracePeriodSeconds: 5 }],
  ] as const) {
    test(`do not fit with ${what}`, () => assert.ok(!isValid(merged(defaults, { ...NEEDED, ...values }))))
  }

  for (const [what, message] of [
    ['hostname', /hostname must be set/],
    ['queue', /queue\.existingSecret/],
    ['content', /content\.existingClaim must name/],
    ['tls', /tls\.existingSecret must name/],
  ] as const) {
    test(`stop the rendering where ${what} is missing`, () => {
      const { status, stderr } = rendered({ ...NEEDED, [what]: undefined })
      assert.equal(status, 1)
      assert.match(stderr, message)
    })
  }
})

function rendered(values: object) {
  const file = join(directory, 'values.json')
  writeFileSync(file, JSON.stringify(values))
  return spawnSync(program, [CHART, file], { encoding: 'utf8' })
}

function manifests(values: object): readonly Manifest[] {
  const { status, stdout, stderr } = rendered(values)
  assert.equal(status, 0, stderr)
  const documents = parseAllDocuments(stdout, { version: '1.1' })
  for (const { errors } of documents) assert.deepEqual(errors, [])
  return documents.map((one): Manifest | null => one.toJS()).filter((one) => one !== null)
}

function moduleOf({ apiVersion }: Manifest): string {
  const base = apiVersion.startsWith('monitoring.') ? '@kubernetes-models/prometheus-operator' : 'kubernetes-models'
  return `${base}/${apiVersion}`
}

function kinds(rendered: readonly Manifest[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { kind } of rendered) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/** As Helm does it: table by table. */
function merged(below: unknown, above: unknown): unknown {
  if (!isTable(below) || !isTable(above)) return above ?? below
  const keys = new Set([...Object.keys(below), ...Object.keys(above)])
  return Object.fromEntries([...keys].map((key) => [key, merged(below[key], above[key])]))
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
