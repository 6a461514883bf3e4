/**
 * What the facts mean for mail: for each check a verdict, what was found, and what to do. Pure.
 *
 * `not-tried` is a verdict of its own: a check that could not look is not a check that found nothing.
 */
import { assertNever } from '@hermetic/policy'
import { formatSize } from '../../config/quantity.ts'
import { judgeNodeVersion, NODE_FIXES } from '../../observability/node-version.ts'
import { formatAge, formatBytes } from '../table.ts'
import { assessBucket } from './assess-bucket.ts'
import { assessDnssec } from './assess-dnssec.ts'
import { assessRedis } from './assess-redis.ts'
import type {
  CertificateFacts,
  ClockFacts,
  ConnectFacts,
  DiskFacts,
  DoctorFacts,
  FileFacts,
  OwnNameFacts,
  PortFacts,
  RelayFacts,
  ResolverFacts,
  SmarthostFacts,
} from './facts.ts'
import type { Finding } from './finding.ts'

const DAY_MS = 86_400_000

export function assess(facts: DoctorFacts): readonly Finding[] {
  return [
    assessNode(facts.node),
    ...assessOwnName(facts.ownName),
    assessResolver(facts.resolver),
    ...assessDnssec(facts.dnssec),
    assessPort(facts.port),
    ...facts.smarthosts.map(assessSmarthost),
    assessClock(facts.clock),
    ...(facts.redis === undefined ? [] : assessRedis(facts.redis)),
    ...(facts.bucket === undefined ? [] : [assessBucket(facts.bucket)]),
    ...assessDisk(facts.disk),
    ...facts.files.map(assessFile),
    ...facts.certificates.map((certificate) => assessCertificate(certificate, facts.clock.now)),
    assessRelay(facts.relay),
  ]
}

function assessNode(node: string): Finding {
  const verdict = judgeNodeVersion(node)
  const check = 'Node.js'
  switch (verdict.kind) {
    case 'fixed':
      return { check, grade: 'ok', found: node }
    case 'outdated':
    case 'unsupported':
      return {
        check,
        grade: 'warn',
        found: `${node} lacks fixes: ${NODE_FIXES}`,
        advice: `update it to ${verdict.fixedIn} or newer`,
      }
    case 'unreadable':
      return { check, grade: 'warn', found: `the version ${JSON.stringify(node)} cannot be read` }
    default:
      return assertNever(verdict)
  }
}

/** RFC 5321 §4.1.4 wants an address record; receivers want the reverse to agree (RFC 1912 §2.1). */
function assessOwnName(facts: OwnNameFacts): readonly Finding[] {
  const check = 'own name'
  if (facts.kind === 'literal') {
    const advice = 'write hostname = "…" in hermetic.toml, with the name that your address has in DNS'
    return [{ check, grade: 'warn', found: `${facts.text} is an address literal, which many servers refuse`, advice }]
  }
  const { name, addresses, reverse } = facts
  switch (addresses.kind) {
    case 'failed':
      return [{ check, grade: 'not-tried', found: `the addresses of ${name} could not be asked: ${addresses.detail}` }]
    case 'absent':
      return [
        {
          check,
          grade: 'fail',
          found: `${name} has no address in DNS`,
          advice: `add an A or AAAA record for ${name}, or correct hostname`,
        },
      ]
    case 'found': {
      const found = `${name} is ${addresses.values.join(', ')}`
      return [
        { check, grade: 'ok', found },
        ...reverse.map(({ address, names }) => assessReverse(name, address, names)),
      ]
    }
    default:
      return assertNever(addresses)
  }
}

function assessReverse(name: string, address: string, names: OwnNameReverse): Finding {
  const check = 'reverse name'
  const advice = `ask whoever gave you ${address} to point its PTR record to ${name}`
  switch (names.kind) {
    case 'failed':
      return { check, grade: 'not-tried', found: `the name of ${address} could not be asked: ${names.detail}` }
    case 'absent':
      return {
        check,
        grade: 'fail',
        found: `${address} has no name in DNS; large receivers refuse such senders`,
        advice,
      }
    case 'found':
      return names.values.includes(name)
        ? { check, grade: 'ok', found: `${address} is ${name}` }
        : { check, grade: 'warn', found: `${address} is ${names.values.join(', ')}, not ${name}`, advice }
    default:
      return assertNever(names)
  }
}

type OwnNameReverse = Extract<OwnNameFacts, { kind: 'name' }>['reverse'][number]['names']

/** Slower than this, every first message to a domain waits noticeably. */
const SLOW_ANSWER_MS = 2_000

function assessResolver(facts: ResolverFacts): Finding {
  const check = 'resolver'
  if (facts.kind === 'no-servers') {
    return { check, grade: 'fail', found: facts.detail, advice: 'write [dns] servers = ["…"] in hermetic.toml' }
  }
  const { servers, question, answer, durationMs } = facts
  const who = servers.join(', ')
  if (answer.kind === 'failed') {
    return {
      check,
      grade: 'fail',
      found: `${who} did not answer ${question}: ${answer.detail}`,
      advice: 'check the network and [dns] servers',
    }
  }
  const took = `${who} answered ${question} in ${Math.round(durationMs)} ms`
  if (durationMs > SLOW_ANSWER_MS)
    return { check, grade: 'warn', found: took, advice: 'use a name server that is nearer' }
  return { check, grade: 'ok', found: took }
}

function assessPort(facts: PortFacts): Finding {
  const check = 'port 25'
  switch (facts.kind) {
    case 'not-asked':
      return {
        check,
        grade: 'not-tried',
        found: 'no connection was tried',
        advice: 'hermetic doctor --to example.com tries the servers of a domain',
      }
    case 'routed':
      return { check, grade: 'not-tried', found: `mail for ${facts.domain} takes ${facts.lane}` }
    case 'no-host':
      return { check, grade: 'not-tried', found: `no server of ${facts.domain} is known: ${facts.detail}` }
    case 'tried':
      return assessTries(facts)
    default:
      return assertNever(facts)
  }
}

function assessTries({ domain, port, tries }: Extract<PortFacts, { kind: 'tried' }>): Finding {
  const check = `port ${port}`
  const good = tries.find(({ outcome }) => outcome.kind === 'greeted')
  if (good !== undefined) return { check, grade: 'ok', found: `${good.host} [${good.address}] ${outcomeWords(good)}` }
  const found = `no server of ${domain} answered: ${tries.map((one) => `${one.host} [${one.address}] ${outcomeWords(one)}`).join('; ')}`
  if (tries.every(({ outcome }) => outcome.kind === 'refused-by-guard')) {
    const advice = 'if these servers are yours, name their network in [egress] smtp_networks'
    return { check, grade: 'fail', found, advice }
  }
  const advice = 'many providers block outgoing port 25: ask yours to open it, or try another domain'
  return { check, grade: 'fail', found, advice }
}

function assessSmarthost({ lane, login, outcome }: SmarthostFacts): Finding {
  const check = 'smarthost'
  if (outcome.kind === 'failed') {
    return {
      check,
      grade: 'fail',
      found: `${lane}: ${outcome.detail}`,
      advice: 'check its [[route]], and [trust] ca_file',
    }
  }
  const { address, tls, level } = outcome
  const proven = level === 'clear' || level === 'encrypted' ? 'nothing proves its name' : 'its name is proven'
  const found = `${lane} greeted at ${address} over ${tls}, ${proven}${login ? '; the login was not tried' : ''}`
  return { check, grade: 'ok', found }
}

function outcomeWords({ outcome, durationMs }: ConnectFacts): string {
  switch (outcome.kind) {
    case 'greeted':
      return `greeted after ${Math.round(durationMs)} ms: ${outcome.line}`
    case 'silent':
      return 'connected and said nothing'
    case 'failed':
      return `could not be reached (${outcome.code})`
    case 'refused-by-guard':
      return `was not dialled (${outcome.reason})`
    default:
      return assertNever(outcome)
  }
}

/** Certificates and report days bear a minute, not an hour. */
const CLOCK_TOLERANCE_MS = 60_000
const JUMP_MS = 1_000

function assessClock({ now, releasedAt, newestFile, jumpMs, watchedMs }: ClockFacts): Finding {
  const check = 'clock'
  const advice = 'set the clock, and keep it right with NTP'
  const time = `${new Date(now).toISOString().slice(0, 19)}Z`
  if (now < releasedAt) {
    return { check, grade: 'fail', found: `it is ${time}, before this version was made`, advice }
  }
  if (newestFile !== undefined && newestFile.changedAt > now + CLOCK_TOLERANCE_MS) {
    const ahead = formatAge(newestFile.changedAt - now)
    return { check, grade: 'fail', found: `it is ${time}, but ${newestFile.path} was changed ${ahead} later`, advice }
  }
  if (Math.abs(jumpMs) > JUMP_MS) {
    const found = `the clock jumped by ${Math.round(jumpMs)} ms while it was watched for ${Math.round(watchedMs)} ms`
    return { check, grade: 'warn', found, advice }
  }
  const compared = newestFile === undefined ? 'the release date' : 'the release date and the newest file in data_dir'
  return { check, grade: 'ok', found: `${time}, plausible beside ${compared}; not compared with a time server` }
}

/** At these, a message in every group commit waits noticeably; ordinary disks take 1 to 10 ms. */
const SLOW_FSYNC_MS = 50
/** Faster than any device: something between answers before the bytes are safe. */
const TOO_FAST_FSYNC_MS = 0.02

function assessDisk(facts: DiskFacts): readonly Finding[] {
  if (facts.kind === 'not-measured') {
    const advice = 'correct its owner or mode, or choose another data_dir'
    return [{ check: 'disk', grade: 'fail', found: `${facts.path}: ${facts.detail}`, advice }]
  }
  const { path, freeBytes, queueMaxBytes, fsyncMs } = facts
  const room: Finding =
    freeBytes < queueMaxBytes
      ? {
          check: 'disk space',
          grade: 'warn',
          found: `${formatBytes(freeBytes)} free at ${path}, less than queue.max_bytes (${formatSize(queueMaxBytes)})`,
          advice: 'make room, or write a smaller [queue] max_bytes: intake stops when the disk is nearly full',
        }
      : { check: 'disk space', grade: 'ok', found: `${formatBytes(freeBytes)} free at ${path}` }
  return [room, assessFsync(path, fsyncMs)]
}

function assessFsync(path: string, sorted: readonly number[]): Finding {
  const check = 'fsync'
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  const worst = sorted.at(-1) ?? 0
  const found = `${median.toFixed(2)} ms at the middle, ${worst.toFixed(2)} ms at worst, of ${sorted.length} at ${path}`
  if (median > SLOW_FSYNC_MS) return { check, grade: 'warn', found, advice: 'a faster disk makes every message faster' }
  if (median < TOO_FAST_FSYNC_MS) {
    return { check, grade: 'warn', found, advice: 'no disk is that fast (tmpfs?): a power cut may lose accepted mail' }
  }
  return { check, grade: 'ok', found }
}

function assessFile(facts: FileFacts): Finding {
  const check = 'file mode'
  if (facts.kind === 'unreadable') {
    return {
      check,
      grade: 'fail',
      found: `${facts.what} ${facts.path}: ${facts.detail}`,
      advice: 'correct its path, owner or mode',
    }
  }
  const { path, what, mode, uid, ourUid } = facts
  const octal = (mode & 0o777).toString(8).padStart(4, '0')
  if ((mode & 0o077) !== 0) {
    const wanted = path.endsWith('/') ? '700' : '600'
    return {
      check,
      grade: 'warn',
      found: `${what} ${path} has mode ${octal}: others can reach it`,
      advice: `chmod ${wanted} ${path}`,
    }
  }
  if (uid !== ourUid && ourUid !== 0) {
    return {
      check,
      grade: 'warn',
      found: `${what} ${path} belongs to uid ${uid}, this is uid ${ourUid}`,
      advice: 'run doctor as the user of the relay',
    }
  }
  return { check, grade: 'ok', found: `${what} ${path} has mode ${octal}` }
}

const CERTIFICATE_WARN_DAYS = 14

function assessCertificate(
  { file, listener, notBefore, notAfter, namesUs, hostname }: CertificateFacts,
  now: number,
): Finding {
  const check = 'certificate'
  const advice = 'renew it'
  const days = Math.floor((notAfter - now) / DAY_MS)
  if (now < notBefore)
    return {
      check,
      grade: 'fail',
      found: `${file} (${listener}) is not valid yet`,
      advice: 'check the clock, or the certificate',
    }
  if (now > notAfter)
    return { check, grade: 'fail', found: `${file} (${listener}) ended ${formatAge(now - notAfter)} ago`, advice }
  if (days < CERTIFICATE_WARN_DAYS)
    return { check, grade: 'warn', found: `${file} (${listener}) ends in ${days} days`, advice }
  if (!namesUs) {
    return {
      check,
      grade: 'warn',
      found: `${file} (${listener}) does not name ${hostname}`,
      advice: 'clients that check names will refuse it',
    }
  }
  return { check, grade: 'ok', found: `${file} (${listener}) names ${hostname} and ends in ${days} days` }
}

function assessRelay(facts: RelayFacts): Finding {
  const check = 'relay'
  switch (facts.kind) {
    case 'not-running':
      return { check, grade: 'not-tried', found: 'no relay runs on this data_dir', advice: 'hermetic start runs one' }
    case 'unreachable':
      return { check, grade: 'fail', found: `the running relay cannot be asked: ${facts.detail}` }
    case 'running':
      if (facts.ready && facts.notes.length > 0) {
        return { check, grade: 'warn', found: `runs with pid ${facts.pid}, ready; ${facts.notes.join('; ')}` }
      }
      return facts.ready
        ? { check, grade: 'ok', found: `runs with pid ${facts.pid}, ready` }
        : { check, grade: 'fail', found: `runs with pid ${facts.pid}, not ready: ${facts.reasons.join('; ')}` }
    default:
      return assertNever(facts)
  }
}
