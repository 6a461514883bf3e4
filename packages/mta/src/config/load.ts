/**
 * The configuration, read once: file, then environment, then the schema and the rules. Every problem is told
 * at once; a result is complete, checked and frozen.
 *
 * Reads the named file, secret files and certificate files, and the names of this machine; changes nothing.
 */
import { dirname, join, resolve } from 'node:path'
import { err, ok, type Result } from '@hermetic/policy'
import { keyFilePath } from '../signing/key-files.ts'
import { certificateFileProblems } from './certificate-files.ts'
import { type ConfigPath, formatPath, isWithin } from './config-path.ts'
import { contentBucket } from './content-bucket.ts'
import { dkimKeyFileProblems, tlsrptKeyFileProblems } from './dkim-key-files.ts'
import { readEnvironment } from './environment.ts'
import { type PathProblem, problemsOfIssues } from './issues.ts'
import { locator } from './locate.ts'
import { overlaid } from './overlay.ts'
import { defaultOwnName, type HostFacts, readHostFacts } from './own-name.ts'
import { preloadFileProblems } from './preload-file-problems.ts'
import type { ConfigProblem, ProblemPlace } from './problem.ts'
import { readAtMost } from './read-at-most.ts'
import { redisServers } from './redis-servers.ts'
import { settingsForRoles } from './role-settings.ts'
import { portOf } from './route-rules.ts'
import { requiresAuth, ruleProblems } from './rules.ts'
import { readableSettings } from './salvage.ts'
import { type Config, type QueueConfig, type ReadConfig, schema } from './schema.ts'
import { Secret } from './secret.ts'
import { describeSystemError } from './system-error.ts'
import { parseTomlDocument, type TomlDocument } from './toml-document.ts'

export interface ConfigSources {
  /** Absent: the defaults, and what the environment says. */
  readonly file?: string | undefined
  readonly env: Readonly<Record<string, string | undefined>>
  /** Where relative paths start when there is no file. */
  readonly workingDirectory?: string
  readonly hostFacts?: () => HostFacts
  /** UTC milliseconds. */
  readonly now?: () => number
  /** For whoever makes the signing keys that the configuration names already. */
  readonly keys?: 'needed' | 'to-be-made'
}

/** A larger file is not a configuration of this program. */
const CONFIG_BYTES_MAX = 4 * 1024 * 1024
const SECRET_BYTES_MAX = 64 * 1024

/** sun_path is 104 octets on BSD and macOS, 108 on Linux, with a terminating NUL (unix(7)). */
const SOCKET_PATH_MAX = 103
const SOCKET_NAME = 'admin.sock'

export function loadConfig(sources: ConfigSources): Result<Config, readonly ConfigProblem[]> {
  const { file, env, workingDirectory = process.cwd() } = sources
  const document = readDocument(file)
  if (!document.ok) return err([document.error])
  const environment = readEnvironment(env, (name) => readText(resolve(workingDirectory, name), SECRET_BYTES_MAX))
  const raw = overlaid(document.value.values, environment.settings)
  const locate = locator({ document: document.value, environment: environment.settings, file })

  const base = file === undefined ? workingDirectory : dirname(resolve(file))
  const defaultName = defaultOwnName((sources.hostFacts ?? readHostFacts)())
  const { now = Date.now, keys = 'needed' } = sources
  const read = checked(raw.values, { base, defaultName, now: now(), keys })
  const problems = [
    ...document.value.duplicates.map((at): ConfigProblem => {
      const place: ProblemPlace = { kind: 'file', file: file ?? '', at }
      return { where: place, setting: '', wrong: 'this key is written twice', remedy: 'remove one of the two' }
    }),
    ...[...environment.problems, ...raw.problems].map(({ variable, wrong, remedy }): ConfigProblem => {
      return { where: { kind: 'environment', variable }, setting: '', wrong, remedy }
    }),
    ...(read.ok ? [] : read.error).map(({ path, wrong, remedy }): ConfigProblem => {
      return { where: locate(path), setting: formatPath(path), wrong, remedy }
    }),
  ]
  if (problems.length > 0) return err(problems.sort(byPlace))
  if (!read.ok) return err([])
  return read
}

/** Where a setting of a configuration that is right was written, for what is allowed and told all the same. */
export function settingPlaces(sources: ConfigSources): (path: ConfigPath) => ProblemPlace {
  const { file, env } = sources
  const document = readDocument(file)
  const { settings: environment } = readEnvironment(env, () => err('not needed'))
  if (!document.ok) return () => ({ kind: 'defaults' })
  return locator({ document: document.value, environment, file })
}

/** The data_dir of a configuration that is perhaps wrong elsewhere: where its relay runs, if one does. */
export function likelyDataDir(sources: ConfigSources): string | undefined {
  const { file, env, workingDirectory = process.cwd() } = sources
  const document = readDocument(file)
  if (!document.ok) return undefined
  const { settings } = readEnvironment(env, () => err('not needed'))
  const { data_dir: directory } = readableSettings(overlaid(document.value.values, settings).values)
  return directory === undefined
    ? undefined
    : resolve(file === undefined ? workingDirectory : dirname(resolve(file)), directory)
}

function readDocument(file: string | undefined): Result<TomlDocument, ConfigProblem> {
  if (file === undefined) return ok({ values: {}, position: () => undefined, duplicates: [] })
  const text = readText(file, CONFIG_BYTES_MAX)
  if (!text.ok) {
    const remedy = 'name a readable file with --config, or start without one for the defaults'
    return err({ where: { kind: 'file', file }, setting: '', wrong: `cannot be read (${text.error})`, remedy })
  }
  const document = parseTomlDocument(text.value)
  if (document.ok) return document
  const { at, detail } = document.error
  const wrong = `this is not TOML: ${detail.charAt(0).toLowerCase()}${detail.slice(1)}`
  return err({
    where: { kind: 'file', file, at },
    setting: '',
    wrong,
    remedy: 'correct it; the rest is read after that',
  })
}

function readText(file: string, bytesMax: number): Result<string, string> {
  try {
    const bytes = readAtMost(file, bytesMax + 1)
    if (bytes.length > bytesMax) return err('it is too large')
    return ok(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    return err(error instanceof TypeError ? 'it is not UTF-8' : describeSystemError(error))
  }
}

interface CheckContext {
  readonly base: string
  readonly now: number
  readonly keys: NonNullable<ConfigSources['keys']>
  readonly defaultName: Config['hostname']
}

function checked(values: unknown, context: CheckContext): Result<Config, readonly PathProblem[]> {
  const { defaultName, now, keys } = context
  const parsed = schema.safeParse(values)
  const problems = parsed.success ? [] : [...problemsOfIssues(parsed.error.issues, values)]
  const unreadable = problems.map(({ path }) => path)
  const isWrong = (path: ConfigPath): boolean =>
    unreadable.some((other) => isWithin(other, path) || isWithin(path, other))
  problems.push(...ruleProblems({ settings: readableSettings(values), defaultName, now, isWrong }))
  const config = parsed.success ? settingsForRoles(completed(parsed.data, context)) : undefined
  if (config !== undefined) {
    problems.push(...certificateFileProblems(config), ...preloadFileProblems(config), ...socketPathProblems(config))
    if (keys === 'needed') problems.push(...dkimKeyFileProblems(config))
    if (keys === 'needed' && sendsReports(config)) problems.push(...tlsrptKeyFileProblems(config))
  }
  return config === undefined || problems.length > 0 ? err(problems) : ok(deepFreeze(config))
}

/** By itself or by order. */
function sendsReports({ role }: Config): boolean {
  return role.includes('reporter') || role.includes('api')
}

const DEFAULT_LISTENER = { kind: 'submission', port: 2587 } as const

/** Defaults that depend on others, and absolute paths. */
function completed(read: ReadConfig, { base, defaultName }: CheckContext): Config {
  const absolute = (path: string): string => resolve(base, path)
  const { preload_file: preload } = read.mta_sts
  const { key_file: reportKey } = read.tlsrpt
  const written = read.listener.length > 0 ? read.listener : schema.parse({ listener: [DEFAULT_LISTENER] }).listener
  return {
    ...read,
    hostname: read.hostname ?? defaultName,
    data_dir: absolute(read.data_dir),
    queue: completedQueue(read, absolute),
    listener: written.map((listener) => ({
      ...listener,
      require_auth: requiresAuth(listener),
      ...(listener.cert_file === undefined ? {} : { cert_file: absolute(listener.cert_file) }),
      ...(listener.key_file === undefined ? {} : { key_file: absolute(listener.key_file) }),
    })),
    dkim: read.dkim.map((key) => ({
      ...key,
      key_file: absolute(key.key_file ?? keyFilePath(absolute(read.data_dir), key.domain, key.selector)),
    })),
    route: read.route.map((route) => ({ ...route, port: portOf(route) })),
    trust: read.trust.ca_file === undefined ? read.trust : { ca_file: absolute(read.trust.ca_file) },
    tlsrpt: { ...read.tlsrpt, ...(reportKey === undefined ? {} : { key_file: absolute(reportKey) }) },
    api: absoluteApi(read.api, absolute),
    mta_sts: { ...read.mta_sts, ...(preload === undefined ? {} : { preload_file: absolute(preload) }) },
  }
}

function absoluteApi(read: ReadConfig['api'], absolute: (path: string) => string): ReadConfig['api'] {
  const { token_file: tokens, cert_file: certificate, key_file: key } = read
  return {
    ...read,
    ...(tokens === undefined ? {} : { token_file: absolute(tokens) }),
    ...(certificate === undefined ? {} : { cert_file: absolute(certificate) }),
    ...(key === undefined ? {} : { key_file: absolute(key) }),
  }
}

/** Where something is missing, `queue-rules.ts` says so, and nothing is started. */
function completedQueue(
  { queue: read, data_dir: dataDir }: Pick<ReadConfig, 'queue' | 'data_dir'>,
  absolute: (path: string) => string,
): QueueConfig {
  const { engine, max_bytes, durability = 'strict' } = read
  const redis = redisServers(read)
  const bucket = contentBucket(read)
  const directory = read.content_dir ?? (bucket === undefined ? undefined : join(dataDir, 'content'))
  if (engine === 'embedded' || redis === undefined || directory === undefined) {
    return { engine: 'embedded', max_bytes }
  }
  return {
    ...{ engine, max_bytes, redis, durability, content_dir: absolute(directory) },
    ...(bucket === undefined ? {} : { bucket }),
  }
}

function socketPathProblems({ data_dir }: Config): readonly PathProblem[] {
  const length = Buffer.byteLength(resolve(data_dir, SOCKET_NAME))
  if (length <= SOCKET_PATH_MAX) return []
  const remedy = `write a path of at most ${SOCKET_PATH_MAX - SOCKET_NAME.length - 1} octets`
  return [{ path: ['data_dir'], wrong: `is too long for the socket in it: ${data_dir}`, remedy }]
}

function byPlace(left: ConfigProblem, right: ConfigProblem): number {
  return placeOrder(left.where) - placeOrder(right.where)
}

/** Problems of the whole file first, then line by line, then the environment. */
function placeOrder(where: ProblemPlace): number {
  if (where.kind !== 'file') return Number.MAX_SAFE_INTEGER
  return where.at === undefined ? -1 : where.at.line * 10_000 + Math.min(where.at.column, 9_999)
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || value instanceof Secret) return value
  for (const inner of Object.values(value)) deepFreeze(inner)
  return Object.freeze(value)
}
