/**
 * The relay as a system under test: its configuration for one scenario, and its start in the bench's namespace.
 * Its log goes to /dev/null at the usual level, as Postfix' lines go to whoever listens to syslog.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { addCredential } from '../interop/relay-instance.ts'
import { NETWORK, PEER_ADDRESS, SYSTEM_ADDRESS } from './network.ts'
import { DOMAIN, enterSystem, type SystemOptions, type SystemUnderTest } from './system.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const PLAIN_PORT = 2625
const SECURED_PORT = 2587
const METRICS_PORT = 9125
const USERNAME = 'bench'
const START_TIMEOUT_MS = 20_000
/** Of what it says to people on standard error: shown when it does not start. */
const WORDS_KEPT = 4096
const STOP_TIMEOUT_MS = 40_000

export async function startHermetic(options: SystemOptions): Promise<SystemUnderTest> {
  const dir = `${options.dir}/hermetic`
  await mkdir(dir, { recursive: true })
  const configFile = `${dir}/hermetic.toml`
  const settings = configuration(options, dir)
  await writeFile(configFile, settings.join('\n'))
  const secret = await addCredential(dir, USERNAME)
  const enter = enterSystem(options)
  const [file = 'sh', ...args] = enter([`${ROOT}hermetic`, 'start', '--config', configFile])
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: dir })
  let words = ''
  child.stderr.on('data', (chunk: Buffer) => {
    words = (words + chunk.toString('utf8')).slice(-WORDS_KEPT)
  })
  await untilReady(options, child).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${words}`)
  })
  return {
    name: 'hermetic',
    recipientDomain: DOMAIN,
    version: `Hermetic ${revision()} on Node.js ${nodeVersion()}`,
    plainPort: PLAIN_PORT,
    securedPort: SECURED_PORT,
    credential: { username: USERNAME, secret },
    cpu: options.cpu,
    settings: settings.filter((line) => !line.includes(options.dir)),
    stop: () => stopped(child),
  }
}

function configuration({ scenario, certFile, keyFile, caFile }: SystemOptions, dir: string): readonly string[] {
  return [
    'hostname = "hermetic.bench.test"',
    `data_dir = "${dir}/data"`,
    'postmaster = "postmaster@bench.test"',
    '[[listener]]',
    'kind = "submission"',
    `address = "${SYSTEM_ADDRESS}"`,
    `port = ${PLAIN_PORT}`,
    'tls = "none"',
    `cert_file = "${certFile}"`,
    `key_file = "${keyFile}"`,
    'require_auth = false',
    `allow_networks = ["${NETWORK}"]`,
    '[[listener]]',
    'kind = "submission"',
    `address = "${SYSTEM_ADDRESS}"`,
    `port = ${SECURED_PORT}`,
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
    `listen = "127.0.0.1:${METRICS_PORT}"`,
    '',
  ]
}

async function untilReady(options: SystemOptions, child: ChildProcess): Promise<void> {
  const [file = 'ip', ...args] = [
    ...options.network.inSystem,
    'sh',
    '-c',
    `cat < /dev/null > /dev/tcp/${SYSTEM_ADDRESS}/${PLAIN_PORT}`,
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
