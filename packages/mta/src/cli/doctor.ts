/**
 * `hermetic doctor`: what mail needs outside of the relay, before the first message. Gathers facts, has them
 * judged (`doctor/assess.ts`), and says what to do.
 */
import { networkInterfaces } from 'node:os'
import {
  type DnsResolver,
  type DomainName,
  expandWildcards,
  judgeAddress,
  parseCidr,
  parseDomainName,
} from '@hermetic/policy'
import type { Config } from '../config/schema.ts'
import { laneOf } from '../delivery/lane.ts'
import { laneForNotice } from '../delivery/routing.ts'
import { foreignText } from '../observability/log-line.ts'
import { configuredRouting } from '../wiring/configured-sources.ts'
import { destinationOptions, readRoots } from '../wiring/destination-options.ts'
import { readArguments } from './arguments.ts'
import { coloured, type Tone } from './colour.ts'
import { assess } from './doctor/assess.ts'
import type { DoctorFacts, PortFacts, SmarthostFacts } from './doctor/facts.ts'
import type { Finding, Grade } from './doctor/finding.ts'
import { bucketFacts } from './doctor/gather-bucket.ts'
import { dnssecFacts } from './doctor/gather-dnssec.ts'
import { certificateFacts, clockFacts, diskFacts, fileFacts, relayFacts } from './doctor/gather-machine.ts'
import {
  clockJump,
  nameServers,
  openDoctorResolver,
  ownNameFacts,
  portFacts,
  resolverFacts,
} from './doctor/gather-network.ts'
import { redisFacts } from './doctor/gather-redis.ts'
import { smarthostFacts } from './doctor/gather-smarthosts.ts'
import { CONFIG_OPTION, readSettings, type Settings } from './settings.ts'
import { EXIT, type Terminal, UsageError, type Verb } from './verb.ts'

const CLOCK_WATCH_MS = 300

/** A domain that exists as long as there is a DNS (IANA), for the question whether any server answers. */
const PROBE_DOMAIN = 'iana.org'

export const doctor: Verb = {
  summary: 'check what mail needs outside of the relay: DNS, port 25, disk, clock, …',
  help: `Usage: hermetic doctor [--to DOMAIN] [--config FILE] [--json]

Checks the configuration, the Node.js version, our own name forward and in reverse, the name servers, DNSSEC, smarthosts,
Redis and the bucket where the queue is in them, the clock, room and speed of the disk, file modes, certificates, and the running relay. Sends no mail.

  --to DOMAIN    also connect to the servers of this domain on port 25, read the greeting and quit
  --config FILE  read this configuration file
  --json         print the findings as JSON

Every line is ok, warn, fail or not tried, with what to do. Exits with 1 when something fails.

Example:
  hermetic doctor --to example.com
`,
  async run(args, terminal) {
    const { values } = readArguments(args, {
      ...CONFIG_OPTION,
      to: { type: 'string' },
      json: { type: 'boolean', default: false },
    })
    const to = values.to === undefined ? undefined : parseDomainName(values.to)
    if (to?.ok === false) throw new UsageError(`--to ${values.to} is not a domain`)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    if (!values.json) terminal.err('Checking; this takes a few seconds …\n')
    const findings = assess(await gather(settings, to?.value))
    terminal.out(
      values.json ? `${JSON.stringify(findings, undefined, 2)}\n` : findingsText(findings, settings, terminal),
    )
    return findings.some(({ grade }) => grade === 'fail') ? EXIT.failed : EXIT.done
  },
}

async function gather({ config, file }: Settings, to: DomainName | undefined): Promise<DoctorFacts> {
  const found = await nameServers(config.dns.servers)
  const resolver = 'servers' in found ? openDoctorResolver(found.servers) : undefined
  const probe = to ?? parsedProbe()
  try {
    const [ownName, resolverState, dnssec, port, smarthosts, redis, bucket, watched, relay] = await Promise.all([
      ownNameFacts(config.hostname, resolver),
      resolver === undefined || !('servers' in found)
        ? ({ kind: 'no-servers', detail: 'problem' in found ? found.problem : '' } as const)
        : resolverFacts({ resolver, servers: found.servers, name: probe }),
      'servers' in found ? dnssecFacts(config, found.servers) : ({ kind: 'not-tried' } as const),
      to === undefined || resolver === undefined
        ? ({ kind: 'not-asked' } as const)
        : (routedFacts(config, to) ??
          portFacts({ resolver, domain: to, port: config.delivery.port, guard: guardOf(config) })),
      resolver === undefined ? [] : smarthostsOf(config, resolver),
      redisFacts(config),
      bucketFacts(config),
      clockJump(CLOCK_WATCH_MS),
      relayFacts(config.data_dir),
    ])
    return {
      node: process.versions.node,
      ownName,
      resolver: resolverState,
      dnssec,
      port,
      ...{ smarthosts, redis, bucket },
      // After the network checks: writing and syncing holds up the thread that they run on.
      clock: clockFacts(config.data_dir, watched),
      disk: diskFacts(config),
      files: fileFacts(config, file),
      certificates: certificateFacts(config),
      relay,
    }
  } finally {
    resolver?.close()
  }
}

function parsedProbe(): DomainName {
  const name = parseDomainName(PROBE_DOMAIN)
  if (!name.ok) throw new Error(PROBE_DOMAIN)
  return name.value
}

function routedFacts(config: Config, to: DomainName): PortFacts | undefined {
  const address = { localPart: 'postmaster', domain: { kind: 'name', name: to } } as const
  const lane = laneForNotice(address, configuredRouting(config))
  return laneOf(lane).kind === 'route' ? { kind: 'routed', domain: to, lane } : undefined
}

function smarthostsOf(config: Config, resolver: DnsResolver): Promise<readonly SmarthostFacts[]> {
  const ca = readRoots(config)
  const emit = (): void => undefined
  const parts = { resolver, emit, ca: ca.ok ? ca.value : [], sts: undefined, dane: undefined, local: {} }
  const destinations = destinationOptions(config, parts)
  destinations.setListeners(config.listener)
  return smarthostFacts(destinations.options)
}

/** The same rules as for mail: what the relay would not dial, `doctor` does not dial. */
function guardOf(config: Config): (address: string) => ReturnType<typeof judgeAddress> {
  const exceptions = config.egress.smtp_networks.flatMap((network) => {
    const parsed = parseCidr(network)
    return parsed.ok ? [parsed.value] : []
  })
  const machine = Object.values(networkInterfaces()).flatMap((list) => (list ?? []).map(({ address }) => address))
  const ownListeners = expandWildcards(config.listener, machine)
  return (address) => judgeAddress(address, { exceptions, ownListeners, port: config.delivery.port })
}

const TONES: Readonly<Record<Grade, Tone>> = { ok: 'good', warn: 'warning', fail: 'bad', 'not-tried': 'quiet' }
const WORDS: Readonly<Record<Grade, string>> = { ok: 'ok', warn: 'warn', fail: 'FAIL', 'not-tried': 'not tried' }

function findingsText(findings: readonly Finding[], { file }: Settings, terminal: Terminal): string {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const lines = findings.map(({ check, grade, found, advice }) => {
    const word = coloured(WORDS[grade].padEnd(9), TONES[grade], terminal.colours)
    const todo = advice === undefined ? '' : `\n${' '.repeat(11)}${' '.repeat(width)}→ ${foreignText(advice)}`
    return `${word} ${check.padEnd(width)} ${foreignText(found)}${todo}\n`
  })
  const count = (grade: Grade): number => findings.filter((finding) => finding.grade === grade).length
  const config = `${coloured('ok'.padEnd(9), 'good', terminal.colours)} ${'settings'.padEnd(width)} ${file ?? 'no file: the defaults'}\n`
  return `${config}${lines.join('')}\n${count('fail')} failed, ${count('warn')} to look at, ${count('not-tried')} not tried.\n`
}
