/**
 * The relay as a system under test: its configuration for one scenario, and its start in the bench's namespace.
 * Its log goes to /dev/null at the usual level, as Postfix' lines go to whoever listens to syslog.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { generateKeyPair } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { addCredential } from '../interop/relay-instance.ts'
import { startRedis } from '../lab/redis-server.ts'
import { NETWORK, PEER_ADDRESS, SYSTEM_ADDRESS } from './network.ts'
import { DOMAIN, enterSystem, SENDER_DOMAIN, type SystemOptions, type SystemUnderTest } from './system.ts'

const ROOT = new URL('../../', import.meta.url).pathname
/** Both engines run side by side. */
const PORTS = {
  hermetic: { plain: 2625, secured: 2587, metrics: 9125 },
  'hermetic-redis': { plain: 2626, secured: 2588, metrics: 9126 },
}
const USERNAME = 'bench'
const START_TIMEOUT_MS = 20_000
/** Of what it says to people on standard error: shown when it does not start. */
const WORDS_KEPT = 4096
const STOP_TIMEOUT_MS = 40_000

type Name = keyof typeof PORTS

export function startHermetic(options: SystemOptions): Promise<SystemUnderTest> {
  return started(options, 'hermetic', [])
}

/** On a redis-server of its own, as durable as it can be; both in one CPU account. */
export async function startHermeticOnRedis(options: SystemOptions): Promise<SystemUnderTest> {
  const redis = await startRedis({ wrap: options.cpu.wrap })
  const queue = [
    '[queue]',
    'engine = "redis"',
    `redis_url = "${redis.socket}"`,
    `content_dir = "${options.dir}/hermetic-redis/content"`,
  ]
  const system = await started(options, 'hermetic-redis', queue)
  return {
    ...system,
    settings: [...system.settings, '# redis-server: appendonly yes, appendfsync always, on a unix socket'],
    stop: async () => {
      await system.stop()
      await redis[Symbol.asyncDispose]()
    },
  }
}

async function started(options: SystemOptions, name: Name, queue: readonly string[]): Promise<SystemUnderTest> {
  const dir = `${options.dir}/${name}`
  await mkdir(dir, { recursive: true })
  const configFile = `${dir}/hermetic.toml`
  const settings = [...configuration(options, { dir, name, queue }), ...(await signing(options, dir))]
  await writeFile(configFile, settings.join('\n'))
  const secret = await addCredential(dir, USERNAME)
  const enter = enterSystem(options)
  const [file = 'sh', ...args] = enter([`${ROOT}hermetic`, 'start', '--config', configFile])
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir })
  let words = ''
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString('utf8')).slice(-WORDS_KEPT)
  })
  await untilReady(options, { child, port: PORTS[name].plain }).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${words}`)
  })
  return {
    name,
    recipientDomain: DOMAIN,
    version: `Hermetic ${revision()} on Node.js ${nodeVersion()}`,
    plainPort: PORTS[name].plain,
    securedPort: PORTS[name].secured,
    credential: { username: USERNAME, secret },
    cpu: options.cpu,
    settings: settings.filter((line) => !line.includes(options.dir)),
    stop: () => stopped(child),
  }
}

function configuration(
  { scenario, certFile, keyFile, caFile }: SystemOptions,
  { dir, name, queue }: { readonly dir: string; readonly name: Name; readonly queue: readonly string[] },
): readonly string[] {
  return [
    'hostname = "hermetic.bench.test"',
    `data_dir = "${dir}/data"`,
    'postmaster = "postmaster@bench.test"',
    ...queue,
    '[[listener]]',
    'kind = "submission"',
    `address = "${SYSTEM_ADDRESS}"`,
    `port = ${PORTS[name].plain}`,
    'tls = "none"',
    `cert_file = "${certFile}"`,
    `key_file = "${keyFile}"`,
    'require_auth = false',
    `allow_networks = ["${NETWORK}"]`,
    '[[listener]]',
    'kind = "submission"',
    `address = "${SYSTEM_ADDRESS}"`,
    `port = ${PORTS[name].secured}`,
    'tls = "starttls"',
    'require_auth = true',
    `cert_file = "${certFile}"`,
    `key_file = "${keyFile}"`,
    '[dns]',
    `servers = ["${PEER_ADDRESS}"]`,
    'trust = "none"',
    '[delivery]',
    `concurrency = ${scenario.deliverySlots}`,
    `concurrency_per_site = ${scenario.deliverySlots}`,
    '[trust]',
    `ca_file = "${caFile}"`,
    '[egress]',
    `smtp_networks = ["${NETWORK}"]`,
    `https_networks = ["${NETWORK}"]`,
    '[metrics]',
    `listen = "127.0.0.1:${PORTS[name].metrics}"`,
    '',
  ]
}

/** RFC 8301 §3.2: what everybody verifies, and what costs most. */
const DKIM_KEY_BITS = 2048

async function signing({ dkim }: SystemOptions, dir: string): Promise<readonly string[]> {
  if (!dkim) return []
  const { privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: DKIM_KEY_BITS })
  const keyFile = `${dir}/dkim.pem`
  await writeFile(keyFile, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 })
  return ['[[dkim]]', `domain = "${SENDER_DOMAIN}"`, 'selector = "bench"', `key_file = "${keyFile}"`, '']
}

async function untilReady(
  options: SystemOptions,
  { child, port }: { readonly child: ChildProcess; readonly port: number },
): Promise<void> {
  const [file = 'ip', ...args] = [
    ...options.network.inSystem,
    'sh',
    '-c',
    `cat < /dev/null > /dev/tcp/${SYSTEM_ADDRESS}/${port}`,
  ]
  args.splice(args.indexOf('sh'), 1, 'bash')
  const until = performance.now() + START_TIMEOUT_MS
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`the relay ended with ${child.exitCode}`)
    try {
      execFileSync(file, args, { stdio: 'ignore' })
      return
    } catch {
      await sleep(100)
    }
  }
  throw new Error('the relay did not listen in time')
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
  await gone
  clearTimeout(timer)
}

function revision(): string {
  return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: ROOT, encoding: 'utf8' }).trim()
}

function nodeVersion(): string {
  return execFileSync(`${ROOT}tools/node`, ['--version'], { encoding: 'utf8' }).trim()
}
