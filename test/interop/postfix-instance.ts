/**
 * A private Postfix: its own configuration, queue and data directories under one folder, started in the
 * foreground and stopped by its own `postfix -c DIR stop`. Never reads or writes /etc/postfix/main.cf.
 *
 * Used by the interop tests (Postfix as a real MX) and by the bench (Postfix as the system to compare with).
 * Needs root, because master(8) binds, changes user and owns the queue.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { chmod, chown, mkdir, readFile, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

export interface PostfixOptions {
  /** Made here; every directory above it must be searchable by the user `postfix`. */
  readonly dir: string
  /** Added to, or replacing, `BASE_SETTINGS`. */
  readonly settings: Readonly<Record<string, string>>
  /** Lines of master.cf for the listeners; the internal services are always there. */
  readonly listeners: readonly string[]
  /** Where to log; without it Postfix logs to syslog. */
  readonly logFile?: string
  /** Put before the command line of `postfix start-fg`, e.g. to enter a namespace. */
  readonly wrap?: (command: readonly string[]) => readonly string[]
}

const START_TIMEOUT_MS = 15_000
const STOP_TIMEOUT_MS = 20_000
const QUEUE_DIRS_PRIVATE = [
  'active',
  'bounce',
  'corrupt',
  'defer',
  'deferred',
  'flush',
  'hold',
  'incoming',
  'saved',
  'trace',
]

const BASE_SETTINGS: Readonly<Record<string, string>> = {
  compatibility_level: '3.6',
  command_directory: '/usr/sbin',
  daemon_directory: '/usr/lib/postfix/sbin',
  mail_owner: 'postfix',
  setgid_group: 'postdrop',
  inet_interfaces: 'all',
  inet_protocols: 'ipv4',
  mydestination: '',
  alias_maps: '',
  alias_database: '',
  local_recipient_maps: '',
  biff: 'no',
  append_dot_mydomain: 'no',
  readme_directory: 'no',
}

const INTERNAL_SERVICES = [
  'cleanup unix n - n - 0 cleanup',
  'qmgr unix n - n 300 1 qmgr',
  'tlsmgr unix - - n 1000? 1 tlsmgr',
  'rewrite unix - - n - - trivial-rewrite',
  'bounce unix - - n - 0 bounce',
  'defer unix - - n - 0 bounce',
  'trace unix - - n - 0 bounce',
  'verify unix - - n - 1 verify',
  'flush unix n - n 1000? 0 flush',
  'proxymap unix - - n - - proxymap',
  'proxywrite unix - - n - 1 proxymap',
  'smtp unix - - n - - smtp',
  'relay unix - - n - - smtp',
  'error unix - - n - - error',
  'retry unix - - n - - error',
  'discard unix - - n - - discard',
  'virtual unix - n n - - virtual',
  'anvil unix - - n - 1 anvil',
  'scache unix - - n - 1 scache',
  'tlsproxy unix - - n - 0 tlsproxy',
  'postlog unix-dgram n - n - 1 postlogd',
]

export class PostfixInstance {
  readonly #options: PostfixOptions
  readonly #child: ChildProcess
  #stderr = ''

  private constructor(options: PostfixOptions, child: ChildProcess) {
    this.#options = options
    this.#child = child
    child.stderr?.on('data', (chunk: Buffer) => {
      this.#stderr = (this.#stderr + chunk.toString('utf8')).slice(-4096)
    })
  }

  static async start(options: PostfixOptions): Promise<PostfixInstance> {
    await layOut(options)
    const [file = 'postfix', ...args] = wrapped(options, ['postfix', '-c', configDir(options), 'start-fg'])
    const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    const instance = new PostfixInstance(options, child)
    await instance.#untilMaster()
    return instance
  }

  async log(): Promise<string> {
    return this.#options.logFile === undefined ? '' : await readFile(this.#options.logFile, 'utf8')
  }

  /** Messages that are in the queue, whatever their state. */
  async queueLength(): Promise<number> {
    const dirs = ['incoming', 'active', 'deferred'].map((name) => `${queueDir(this.#options)}/${name}`)
    const { stdout } = await promisify(execFile)('find', [...dirs, '-type', 'f'], { maxBuffer: 64 * 1024 * 1024 })
    return stdout === '' ? 0 : stdout.trimEnd().split('\n').length
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null) return
    const gone = new Promise<void>((resolve) => this.#child.once('exit', () => resolve()))
    const [file = 'postfix', ...args] = wrapped(this.#options, ['postfix', '-c', configDir(this.#options), 'stop'])
    await promisify(execFile)(file, args).catch(() => this.#child.kill('SIGTERM'))
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), STOP_TIMEOUT_MS)
    await gone
    clearTimeout(timer)
  }

  /** master(8) is up when its pid file is written and locked; the listeners are bound before that. */
  async #untilMaster(): Promise<void> {
    const until = performance.now() + START_TIMEOUT_MS
    while (performance.now() < until) {
      if (this.#child.exitCode !== null)
        throw new Error(`postfix did not start: ${this.#stderr}${await this.#logTail()}`)
      const pid = await readFile(`${queueDir(this.#options)}/pid/master.pid`, 'utf8').catch(() => '')
      if (pid.trim() !== '') return
      await sleep(50)
    }
    this.#child.kill('SIGTERM')
    throw new Error(`postfix was not ready in time: ${this.#stderr}${await this.#logTail()}`)
  }

  async #logTail(): Promise<string> {
    return (await this.log().catch(() => '')).slice(-2000)
  }
}

function wrapped(options: PostfixOptions, command: readonly string[]): readonly string[] {
  return options.wrap === undefined ? command : options.wrap(command)
}

function configDir(options: PostfixOptions): string {
  return `${options.dir}/etc`
}

function queueDir(options: PostfixOptions): string {
  return `${options.dir}/queue`
}

async function layOut(options: PostfixOptions): Promise<void> {
  const queue = queueDir(options)
  for (const path of [options.dir, configDir(options), queue, `${queue}/pid`]) {
    await mkdir(path, { recursive: true })
    await chmod(path, 0o755)
  }
  const postfix = await idOf('-u', 'postfix')
  const postdrop = Number((await promisify(execFile)('getent', ['group', 'postdrop'])).stdout.split(':')[2])
  for (const name of [...QUEUE_DIRS_PRIVATE, 'private'])
    await ownedDir(`${queue}/${name}`, { uid: postfix, gid: 0, mode: 0o700 })
  await ownedDir(`${queue}/maildrop`, { uid: postfix, gid: postdrop, mode: 0o730 })
  await ownedDir(`${queue}/public`, { uid: postfix, gid: postdrop, mode: 0o710 })
  await ownedDir(`${options.dir}/state`, { uid: postfix, gid: 0, mode: 0o700 })
  // Skips postfix-script's checks, which would look after files that other instances share.
  await writeFile(`${queue}/quick-start`, '')
  await writeFile(`${configDir(options)}/main.cf`, mainCf(options))
  await writeFile(`${configDir(options)}/master.cf`, `${[...options.listeners, ...INTERNAL_SERVICES].join('\n')}\n`)
}

function mainCf(options: PostfixOptions): string {
  const settings: Record<string, string> = {
    ...BASE_SETTINGS,
    queue_directory: queueDir(options),
    data_directory: `${options.dir}/state`,
    ...(options.logFile === undefined ? {} : { maillog_file: options.logFile, maillog_file_prefixes: '/' }),
    ...options.settings,
  }
  return Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')
}

async function ownedDir(
  path: string,
  owner: { readonly uid: number; readonly gid: number; readonly mode: number },
): Promise<void> {
  await mkdir(path, { recursive: true })
  await chown(path, owner.uid, owner.gid)
  await chmod(path, owner.mode)
}

async function idOf(flag: '-u' | '-g', user: string): Promise<number> {
  return Number((await promisify(execFile)('id', [flag, user])).stdout)
}
