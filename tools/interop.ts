/**
 * Runs `test/interop`: the tests that need other programs (a real Postfix, swaks, strace, Python). Installs what
 * is missing from Debian when it may (root and apt-get), never starting what it installs; otherwise it names
 * what is missing and fails. Arguments are passed on to the test runner. Then a part of
 * `test/scenarios` again, on a real redis-server.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { scenariosOnRedis } from './on-both-engines.ts'

/** Where Debian puts the sources of Go packages. */
const GO_SOURCES = '/usr/share/gocode/src'

/** Where Debian puts the mechanisms of Cyrus SASL. */
const SASL_PLUGINS = ['x86_64', 'aarch64'].map((machine) => `/usr/lib/${machine}-linux-gnu/sasl2`)

/** What the tests run → Debian package. */
const NEEDED: readonly (readonly [name: string, debianPackage: string, isThere: () => boolean])[] = [
  ['postfix', 'postfix', () => isProgram('postfix')],
  ['swaks', 'swaks', () => isProgram('swaks')],
  // Only recommended by swaks, which cannot start TLS without it.
  ['Net::SSLeay of Perl', 'libnet-ssleay-perl', () => isPerlModule('Net::SSLeay')],
  ['strace', 'strace', () => isProgram('strace')],
  ['python3', 'python3', () => isProgram('python3')],
  ['dkim of Python', 'python3-dkim', () => isPythonModule('dkim')],
  ['gsasl', 'gsasl', () => isProgram('gsasl')],
  ['saslpasswd2', 'sasl2-bin', () => isProgram('saslpasswd2')],
  // Only recommended by the library that Postfix logs clients in with.
  ['LOGIN of Cyrus SASL', 'libsasl2-modules', () => SASL_PLUGINS.some((folder) => existsSync(`${folder}/liblogin.so`))],
  // A submission proxy that takes access tokens; brings the rest of Dovecot along.
  ['submission of Dovecot', 'dovecot-submissiond', () => existsSync('/usr/lib/dovecot/submission')],
  ['openssl', 'openssl', () => isProgram('openssl')],
  ['named', 'bind9', () => isProgram('named')],
  ['dnssec-signzone', 'bind9-utils', () => isProgram('dnssec-signzone')],
  ['unbound', 'unbound', () => isProgram('unbound')],
  ['mta-sts-daemon', 'postfix-mta-sts-resolver', () => isProgram('mta-sts-daemon')],
  ['redis-server', 'redis-server', () => isProgram('redis-server')],
  ['ip', 'iproute2', () => isProgram('ip')],
  ['unshare', 'util-linux', () => isProgram('unshare')],
  ['setpriv', 'util-linux', () => isProgram('setpriv')],
  // Only systemd's own checks of a unit; nothing of it runs.
  ['systemd-analyze', 'systemd', () => isProgram('systemd-analyze')],
  ['promtool', 'prometheus', () => isProgram('promtool')],
  ['go', 'golang-go', () => isProgram('go')],
  [
    'sprig of Go',
    'golang-github-masterminds-sprig-dev',
    () => existsSync(`${GO_SOURCES}/github.com/Masterminds/sprig`),
  ],
  ['yaml of Go', 'golang-k8s-sigs-yaml-dev', () => existsSync(`${GO_SOURCES}/sigs.k8s.io/yaml`)],
  ['docker-compose', 'docker-compose', () => isProgram('docker-compose')],
]

/** invoke-rc.d asks this script; 101 means that no service may be started (Debian policy 9.3.3.1). */
const POLICY_SCRIPT = '/usr/sbin/policy-rc.d'
const SYSTEM_FOLDERS = ['/usr/local/sbin', '/usr/sbin', '/sbin']

const missing = missingPrograms()
if (missing.length > 0) installFromDebian(missing.map(([, debianPackage]) => debianPackage))
const stillMissing = missingPrograms()
if (stillMissing.length > 0) {
  const packages = stillMissing.map(([, debianPackage]) => debianPackage).join(' ')
  console.error(`interop: missing programs: ${stillMissing.map(([program]) => program).join(', ')}`)
  console.error(`interop: on Debian or Ubuntu: sudo apt-get install --no-install-recommends ${packages}`)
  process.exit(1)
}

const root = new URL('../', import.meta.url)
const path = [process.env['PATH'], ...SYSTEM_FOLDERS].join(':')
const scenarios = scenariosOnRedis(root)
// Three files at a time keep two cores busy: they wait for other programs, leases and rests. One that hangs is named.
const status = run([
  '--test-concurrency=3',
  '--test-timeout=240000',
  ...process.argv.slice(2),
  'test/interop/**/*.test.ts',
])
// The worlds of these scenarios choose their engine by it (`test/lab/engine-of-test.ts`).
console.log('interop: the same scenarios as with the embedded engine, on Redis')
const onRedis = run(['--test-concurrency=3', '--test-timeout=60000', ...scenarios], { ENGINE_OF_TEST: 'redis' })
process.exit(status || onRedis)

function run(words: readonly string[], environment: Readonly<Record<string, string>> = {}): number {
  const { status: code } = spawnSync(process.execPath, ['--test', ...words], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...environment, PATH: path },
  })
  return code ?? 1
}

function missingPrograms(): typeof NEEDED {
  return NEEDED.filter(([, , isThere]) => !isThere())
}

function isProgram(name: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(':'), ...SYSTEM_FOLDERS]
  return folders.some((folder) => isExecutable(`${folder}/${name}`))
}

function isPerlModule(name: string): boolean {
  return spawnSync('perl', [`-M${name}`, '-e', '1'], { stdio: 'ignore' }).status === 0
}

/** Debian's, which is not always the first python3 of a machine. */
function isPythonModule(name: string): boolean {
  return spawnSync('/usr/bin/python3', ['-c', `import ${name}`], { stdio: 'ignore' }).status === 0
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function installFromDebian(packages: readonly string[]): void {
  if (process.getuid?.() !== 0 || !isExecutable('/usr/bin/apt-get')) return
  console.log(`interop: installing ${packages.join(' ')} from Debian`)
  const ownPolicy = !existsSync(POLICY_SCRIPT)
  if (ownPolicy) writeFileSync(POLICY_SCRIPT, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    preseedPostfix()
    apt(['update', '-qq'])
    apt(['install', '-y', '-qq', '--no-install-recommends', ...packages])
  } catch (error) {
    console.error(`interop: apt-get failed: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    if (ownPolicy) rmSync(POLICY_SCRIPT, { force: true })
  }
}

/** Its package would ask what the machine's mail system shall be: none, for the tests bring their own configuration. */
function preseedPostfix(): void {
  execFileSync('debconf-set-selections', {
    input: 'postfix postfix/main_mailer_type select No configuration\n',
    stdio: ['pipe', 'ignore', 'inherit'],
  })
}

function apt(words: readonly string[]): void {
  execFileSync('apt-get', words, {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
}
