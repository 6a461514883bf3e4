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
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
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
  api: { existingSecret: 'api-tokens', tlsSecret: 'api-tls', hosts: ['control.example.com'] },
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
/** Elsewhere than at a URL and in a claim. */
const BUCKET = {
  url: 's3://hermetic-mail/relay',
  ...{ endpoint: 'https://minio.example.com:9000', accessKeyId: 'AKIAEXAMPLE', existingSecret: 'bucket' },
}
const SENTINELS = {
  ...ALL,
  queue: { existingSecret: 'redis', sentinels: ['a.example:26379', 'b.example:26379'], master: 'mail', username: 'm' },
  content: { s3: BUCKET },
  api: { existingSecret: 'api-tokens', allowCleartext: true },
}
const CLUSTER = { ...SENTINELS, queue: { cluster: ['a.example:7000', 'b.example:7001'], tls: true } }

let directory: string
let program: string
let least: readonly Manifest[]
let most: readonly Manifest[]
let sentinels: readonly Manifest[]
let cluster: readonly Manifest[]

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
  sentinels = manifests(SENTINELS)
  cluster = manifests(CLUSTER)
})
after(() => rmSync(directory, { recursive: true, force: true }))

describe('every manifest', () => {
  test('has the types and the required fields of its kind', async () => {
    for (const manifest of [...least, ...most, ...sentinels, ...cluster]) {
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
      const lines = [...least, ...most, ...sentinels, ...cluster].map((manifest, index) => {
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
    for (const rendered of [least, most, sentinels, cluster]) {
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

  test('writes a configuration that the relay of each role takes', async () => {
    const { key, cert } = await certificateFor('relay.example.com', 'good', await labAuthority())
    for (const [name, value] of [
      ['tls.crt', cert],
      ['tls.key', key],
    ] as const)
      writeFileSync(join(directory, name), String(value))
    writeFileSync(join(directory, 'tokens'), '{"tokens": []}')
    using lab = new TerminalLab()
    const folders = /\/etc\/hermetic-(tls|api-tls|api)(?=\/)/g
    for (const rendered of [least, most, sentinels, cluster]) {
      const map = rendered.find(({ kind }) => kind === 'ConfigMap')?.['data'] as Readonly<Record<string, string>>
      lab.file('hermetic.toml', (map['hermetic.toml'] ?? '').replaceAll(folders, directory))
      const roles = rendered.flatMap((one) => (one.kind === 'Deployment' ? [roleOf(one)] : []))
      assert.ok(roles.length >= 3)
      for (const role of roles) {
        lab.env = { ...secretsOf(rendered), HERMETIC_ROLE: role }
        const { code, out, err } = await lab.run('check-config', '--json')
        assert.equal(code, 0, err)
        const { queue, ...settings } = JSON.parse(out)
        assert.deepEqual(settings.role, [role])
        assert.equal(queue.bucket !== undefined, rendered === sentinels || rendered === cluster)
      }
    }
  })

  test('lets pods reach Sentinels, the nodes of a Cluster and the bucket, by the ports of their values', () => {
    for (const [rendered, ports] of [
      [least, [53, 53, 6379]],
      [sentinels, [53, 53, 6379, 26379, 9000]],
      [cluster, [53, 53, 6379, 7000, 7001, 9000]],
    ] as const) {
      const policy = rendered.find(
        ({ kind, metadata }) => kind === 'NetworkPolicy' && metadata.name === 'mail-submission',
      )
      const port = /"port":(\d+)/g
      const egress = JSON.stringify(policy?.['spec']).replace(/.*"egress"/, '')
      assert.deepEqual(
        [...egress.matchAll(port)].map(([, number]) => Number(number)),
        ports,
      )
    }
  })
})

describe('its values', () => {
  const schema: object = JSON.parse(readFileSync(`${CHART}/values.schema.json`, 'utf8'))
  const isValid = new Ajv({ strict: true, allErrors: true, allowUnionTypes: true }).compile(schema)
  const defaults: object = parse(readFileSync(`${CHART}/values.yaml`, 'utf8'))

  test('fit their schema, once what is needed is there', () => {
    assert.ok(!isValid(defaults), 'the defaults alone name no host')
    for (const values of [NEEDED, ALL, SENTINELS, CLUSTER])
      assert.ok(isValid(merged(defaults, values)), JSON.stringify(isValid.errors))
  })

  for (const [what, values] of [
    ['a key that nobody knows', { replicas: 3 }],
    ['a role that there is not', { roles: { sender: { enabled: true } } }],
    [
      'a port below 1024 in the pod',
      { listeners: [{ name: 'a', kind: 'submission', tls: 'none', port: 587, servicePort: 587 }] },
    ],
    ['a host name of one word', { hostname: 'relay' }],
    ['a Sentinel without its port', { queue: { sentinels: ['a.example'], master: 'mail' } }],
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

  for (const [what, values, message] of [
    ['an API without TLS that nobody allowed', { ...ALL, api: { existingSecret: 'a' } }, /api\.tlsSecret must name/],
    ['two places for contents', { ...NEEDED, content: { existingClaim: 'c', s3: BUCKET } }, /keep one of them/],
    ['Sentinels of no master', { ...SENTINELS, queue: { sentinels: ['a.example:26379'] } }, /queue\.master must/],
    ['a bucket without a secret', { ...ALL, content: { s3: { ...BUCKET, existingSecret: '' } } }, /s3\.existingSecret/],
  ] as const) {
    test(`stop the rendering with ${what}`, () => {
      const { status, stderr } = rendered(values)
      assert.equal(status, 1)
      assert.match(stderr, message)
    })
  }
})

/** As `start` is told it. */
function roleOf(deployment: Manifest): string {
  const [, role] = /"args":\["start","--role","(\w+)"\]/.exec(JSON.stringify(deployment)) ?? []
  assert.ok(role !== undefined)
  return role
}

/** What the pods get from Secrets, for every variable that the Deployments name. */
function secretsOf(rendered: readonly Manifest[]): Readonly<Record<string, string>> {
  const text = JSON.stringify(rendered.filter(({ kind }) => kind === 'Deployment'))
  const names = text.match(/HERMETIC_[A-Z0-9_]+/g) ?? []
  return Object.fromEntries(
    names.map((name) => [name, name.endsWith('REDIS_URL') ? 'redis://127.0.0.1:6379/0' : 'secret']),
  )
}

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
