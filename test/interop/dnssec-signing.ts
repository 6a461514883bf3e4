/**
 * Zones as a name server needs them: master files, signed by BIND's own tools in the way that a test wants, right or
 * wrong. Used by `signed-zones.ts`; tests do not need it.
 */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface LabZone {
  /** Without trailing dot: `signed.test`. */
  readonly name: string
  /** Lines of a master file, names relative to the zone: `@ MX 10 mx`, `mx A 127.0.0.2`, `_25._tcp.mx TLSA 3 1 1 …`. */
  readonly records: readonly string[]
  /** `signed` unless given. */
  readonly dnssec?: Signing
  /** How absence is proven; `nsec` unless given. */
  readonly denial?: 'nsec' | 'nsec3' | 'nsec3-opt-out'
  /** TTL of what `records` does not give one, and of absence: 60 seconds unless given. */
  readonly ttl?: number
  /** False: delegated, with a DS unless `dnssec` says otherwise, but its name server answers everything with SERVFAIL. */
  readonly served?: boolean
  /** Changes single lines after signing, one record per line; undefined leaves a record out. */
  readonly tamper?: (line: string) => string | undefined
}

export type Signing =
  | 'signed'
  /** The parent proves that there is no DS: insecure. */
  | 'unsigned'
  /** Signed, but the parent does not say so: insecure for want of a chain. */
  | 'signed-without-ds'
  /** The parent's DS is of another key: bogus. */
  | 'wrong-ds'
  /** Signatures that ended long ago: bogus. */
  | 'expired'
  /** Signed, but its keys are nowhere to be had: indeterminate in the sense of RFC 4035 §4.3. */
  | 'without-keys'

export interface ZoneKey {
  /** For the parent, or for whoever holds it for a trust anchor: `signed.test. IN DS …`. */
  readonly ds: string
}

const ALGORITHM = 'ECDSAP256SHA256'
const DEFAULT_TTL = 60
const LONG_AGO = ['-s', '20200101000000', '-e', '20200201000000']
/** A tool that waits for randomness or a lock says so by not ending. */
const TOOL_TIMEOUT_MS = 20_000

/** Makes the zone's key; answers the DS that its parent shall publish. */
export async function makeKey(dir: string, zone: LabZone): Promise<ZoneKey> {
  await mkdir(keyDir(dir, zone), { recursive: true })
  await mkdir(`${dir}/foreign`, { recursive: true })
  const key = await generateKey(keyDir(dir, zone), zone.name)
  // Smart signing would take every key in its directory, therefore the foreign one lies elsewhere.
  const published = zone.dnssec === 'wrong-ds' ? await generateKey(`${dir}/foreign`, zone.name) : key
  const { stdout } = await run('dnssec-dsfromkey', ['-2', `${published}.key`], { timeout: TOOL_TIMEOUT_MS })
  return { ds: stdout.trim() }
}

/** Whether the parent publishes a DS. */
export function hasDs({ dnssec = 'signed' }: LabZone): boolean {
  return dnssec !== 'unsigned' && dnssec !== 'signed-without-ds'
}

/** Writes the file that the name server loads. */
export async function writeZone(
  dir: string,
  zone: LabZone,
  { serial, delegations }: { readonly serial: number; readonly delegations: readonly string[] },
): Promise<void> {
  const source = `${dir}/${fileName(zone)}.source`
  const { ttl = DEFAULT_TTL, records } = zone
  const lines = [`$TTL ${ttl}`, `@ SOA ns. hostmaster.ns. ${serial} 3600 600 86400 ${ttl}`, '@ NS ns.']
  await writeFile(source, `${[...lines, ...records, ...delegations].join('\n')}\n`)
  const target = zoneFile(dir, zone)
  if (zone.dnssec === 'unsigned') await writeFile(target, await readFile(source))
  else await sign(dir, zone, { source, target })
  if (zone.tamper === undefined && zone.dnssec !== 'without-keys') return
  const { tamper = (line: string) => line } = zone
  const kept = (await readFile(target, 'utf8')).split('\n').flatMap((line) => {
    if (zone.dnssec === 'without-keys' && /\sDNSKEY\s/.test(line)) return []
    const changed = line.startsWith(';') ? line : tamper(line)
    return changed === undefined ? [] : [changed]
  })
  await writeFile(target, kept.join('\n'))
}

export function zoneFile(dir: string, zone: LabZone): string {
  return `${dir}/${fileName(zone)}.zone`
}

async function sign(
  dir: string,
  zone: LabZone,
  { source, target }: { readonly source: string; readonly target: string },
): Promise<void> {
  const denial = { nsec: [], nsec3: ['-3', '-', '-H', '0'], 'nsec3-opt-out': ['-3', '-', '-H', '0', '-A'] }
  // -z: one key signs everything; -P: what is wrong on purpose must pass.
  const options = ['-S', '-z', '-P', '-O', 'full', '-K', keyDir(dir, zone), '-o', `${zone.name}.`, '-f', target]
  const times = zone.dnssec === 'expired' ? LONG_AGO : []
  await run('dnssec-signzone', [...options, ...times, ...denial[zone.denial ?? 'nsec'], source], {
    cwd: dir,
    timeout: TOOL_TIMEOUT_MS,
  })
}

async function generateKey(dir: string, zone: string): Promise<string> {
  const words = ['-q', '-a', ALGORITHM, '-f', 'KSK', '-K', dir, `${zone}.`]
  const { stdout } = await run('dnssec-keygen', words, { timeout: TOOL_TIMEOUT_MS })
  return `${dir}/${stdout.trim()}`
}

function keyDir(dir: string, zone: LabZone): string {
  return `${dir}/${fileName(zone)}.keys`
}

function fileName({ name }: LabZone): string {
  return name === '' ? 'root' : name.replaceAll('/', '-')
}
