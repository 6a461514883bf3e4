/**
 * The unbound that the relay starts for itself, for real: it validates what a named serves that validates nothing,
 * nothing that it said outlives it, and it does not outlive us (architecture, decision 6).
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { after, before, describe, it } from 'node:test'
import {
  type DomainName,
  openTrustedDns,
  type PolicyEvent,
  parseDomainName,
  programFolders,
  type TrustedDns,
  type TrustedDnsOptions,
} from '@hermetic/policy'
import { covers } from '../conformance/covers.ts'
import { freeDnsPort, SignedZones } from './signed-zones.ts'

const WAIT_MS = 15_000
const CHILD = new URL('./dnssec-child.ts', import.meta.url).pathname

describe('an unbound of our own', () => {
  let dir: string
  let zones: SignedZones

  before(async () => {
    dir = await mkdtemp(`${tmpdir()}/hermetic-unbound-`)
    zones = await SignedZones.start({
      dir,
      zones: [
        { name: 'signed.test', ttl: 3_600, records: ['mx A 127.0.0.2'] },
        { name: 'plain.test', ttl: 3_600, dnssec: 'unsigned', records: ['mx A 127.0.0.3'] },
        { name: 'bogus.test', dnssec: 'wrong-ds', records: ['mx A 127.0.0.4'] },
      ],
    })
  })

  after(async () => {
    await zones?.stop()
    await rm(dir, { recursive: true, force: true })
  })

  async function open(options: Partial<TrustedDnsOptions> = {}): Promise<{ dns: TrustedDns; events: PolicyEvent[] }> {
    const events: PolicyEvent[] = []
    const directory = `${await mkdtemp(`${dir}/data-`)}/unbound`
    const dns = await openTrustedDns({
      ...{ servers: [zones], serversNamed: true, trust: 'auto', dane: 'auto', remembered: false },
      remember: async () => undefined,
      unbound: { directory, folders: programFolders(process.env['PATH'] ?? ''), anchors: zones.anchors },
      emit: (event) => events.push(event),
      ...options,
    })
    return { dns, events }
  }

  it('DANE-01: it validates for us what a name server says that does not', async () => {
    covers('DANE-01', { observe: 'dns' })
    const { dns } = await open()
    try {
      assert.deepEqual(dns.state(), { kind: 'validating', by: 'private-unbound' })
      assert.equal(await status(dns, 'mx.signed.test'), 'secure')
      assert.equal(await status(dns, 'mx.plain.test'), 'insecure')
      const bogus = await dns.resolver.address(domain('mx.bogus.test'), 4)
      assert.ok(bogus.kind === 'failure' && bogus.reason.kind === 'rcode')
      assert.equal(bogus.reason.extendedError?.infoCode, 9)
      assert.match(bogus.reason.extendedError?.extraText ?? '', /validation failure <mx\.bogus\.test/)
    } finally {
      await dns.close()
    }
  })

  it('DANE-03: nothing that it said outlives it, and its successor is a new one', async () => {
    covers('DANE-03', { observe: 'dns' })
    const { dns, events } = await open()
    try {
      assert.equal(await status(dns, 'mx.signed.test'), 'secure')
      assert.equal(await status(dns, 'mx.plain.test'), 'insecure')
      const [first] = started(events)
      const pid = first?.pid ?? 0
      process.kill(pid, 'SIGKILL')
      // Without a turn of the event loop: its end is known to the system, and not yet told to us.
      while (!isGone(pid)) readFileSync('/proc/self/stat')
      // Both answers are in our cache for an hour.
      assert.equal(await status(dns, 'mx.plain.test'), 'unvalidated')
      assert.equal(await status(dns, 'mx.signed.test'), 'unvalidated')
      assert.equal(dns.danePossible(), true)
      await until(() => dns.state().kind === 'validating' && started(events).length === 2)
      assert.equal(await status(dns, 'mx.signed.test'), 'secure')
      assert.equal(await status(dns, 'mx.plain.test'), 'insecure')
      const kinds = events.map(({ event }) => event)
      assert.deepEqual(kinds.slice(0, 2), ['unbound-started', 'dnssec-validating'])
      assert.ok(kinds.includes('dnssec-lost') && kinds.includes('unbound-not-running'))
    } finally {
      await dns.close()
    }
    for (const { pid } of started(events)) assert.ok(isGone(pid))
  })

  it('it dies with us, also when nobody can tell it to', async () => {
    const directory = `${await mkdtemp(`${dir}/killed-`)}/unbound`
    const [anchor = ''] = zones.anchors
    const holder = spawn(process.execPath, [CHILD, directory, String(zones.port), anchor], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [line] = (await once(holder.stdout, 'data')) as [Buffer]
    const pid = Number(line.toString())
    assert.ok(!isGone(pid))
    holder.kill('SIGKILL')
    await until(() => isGone(pid))
  })

  it('its files are ours alone, and it follows the keys of the root by itself (RFC 5011)', async () => {
    const directory = `${await mkdtemp(`${dir}/files-`)}/unbound`
    const unbound = { directory, folders: programFolders(process.env['PATH'] ?? ''), anchors: zones.anchors }
    const { dns } = await open({ unbound })
    try {
      assert.equal((await stat(directory)).mode & 0o777, 0o700)
      await until(() => /autotrust.*\n(?:.*\n)*.*DNSKEY/.test(readFileSync(`${directory}/root.key`, 'utf8')))
    } finally {
      await dns.close()
    }
    const learnt = await readFile(`${directory}/root.key`, 'utf8')
    const again = await open({ unbound: { ...unbound, anchors: ['. IN DS 1 8 2 AA'] } })
    await again.dns.close()
    assert.equal(again.dns.state().kind, 'validating', 'what it has learnt counts, not what it began with')
    assert.match(learnt, /VALID/)
  })

  it('it starts again with our anchors when its own are damaged', async () => {
    const directory = `${await mkdtemp(`${dir}/damaged-`)}/unbound`
    const unbound = { directory, folders: programFolders(process.env['PATH'] ?? ''), anchors: zones.anchors }
    await (await open({ unbound })).dns.close()
    await writeFile(`${directory}/root.key`, '. IN DNSKEY 257 3 13 ###')
    const { dns, events } = await open({ unbound })
    try {
      assert.equal(dns.state().kind, 'validating')
      assert.ok(events.some(({ event }) => event === 'unbound-anchors-renewed'))
      assert.equal(await status(dns, 'mx.signed.test'), 'secure')
    } finally {
      await dns.close()
    }
  })

  it('when it cannot reach anybody it is no validator, and the reason says whom it asked', async () => {
    const nobody = { address: '127.0.0.1', port: await freeDnsPort() }
    const { dns, events } = await open({ servers: [nobody], timing: { patienceMs: 0 } })
    await dns.close()
    const state = dns.state()
    assert.ok(state.kind === 'off' && state.because.kind === 'no-validator')
    const [first] = state.because.problems
    assert.equal(first?.candidate, 'private-unbound')
    assert.equal(first.problem.kind, 'no-answer')
    for (const { pid } of started(events)) assert.ok(isGone(pid))
  })

  it('an anchor that is not of this root makes nothing secure', async () => {
    const { dns } = await open({
      unbound: {
        directory: `${await mkdtemp(`${dir}/foreign-`)}/unbound`,
        folders: programFolders(process.env['PATH'] ?? ''),
      },
      timing: { patienceMs: 0 },
    })
    await dns.close()
    assert.equal(dns.state().kind, 'off')
  })
})

function started(events: readonly PolicyEvent[]) {
  return events.flatMap((event) => (event.event === 'unbound-started' ? [event] : []))
}

async function status(dns: TrustedDns, name: string): Promise<string> {
  const answer = await dns.resolver.address(domain(name), 4)
  if (answer.kind === 'failure') return answer.reason.kind
  return answer.secure ? 'secure' : 'insecure'
}

/** Ended; that nobody has waited for it yet does not matter. */
function isGone(pid: number): boolean {
  try {
    return /\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}

async function until(condition: () => boolean): Promise<void> {
  for (const end = performance.now() + WAIT_MS; !condition(); await new Promise((resolve) => setTimeout(resolve, 10)))
    assert.ok(performance.now() < end, condition.toString())
}

function domain(text: string): DomainName {
  const name = parseDomainName(text)
  assert.ok(name.ok)
  return name.value
}
