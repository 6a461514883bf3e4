/**
 * Rules that look at several settings: what would be unsafe or could not work, although each setting by
 * itself is right. Pure; runs also when other settings are wrong, on what could be read.
 */
import type { MailDomain } from '../smtp/mail-address.ts'
import { apiFindings } from './api-rules.ts'
import type { ConfigPath } from './config-path.ts'
import { credentialFindings } from './credential-rules.ts'
import { daneFindings } from './dane-rules.ts'
import { dkimFindings } from './dkim-rules.ts'
import type { Finding } from './finding.ts'
import type { PathProblem } from './issues.ts'
import { limitFindings } from './limit-rules.ts'
import { isLoopback, isUnspecified } from './loopback.ts'
import { overrideFindings } from './override-rules.ts'
import { formatDuration } from './quantity.ts'
import { queueFindings } from './queue-rules.ts'
import { roleFindings } from './role-rules.ts'
import { routeFindings } from './route-rules.ts'
import type { ReadableConfig, ReadableListener } from './salvage.ts'
import { socketmapFindings } from './socketmap-rules.ts'
import { sourceFindings } from './source-rules.ts'
import { tlsrptFindings } from './tlsrpt-rules.ts'

export interface RuleFacts {
  readonly settings: ReadableConfig
  /** The name that is used when none is written. */
  readonly defaultName: MailDomain
  /** UTC milliseconds: some settings are over at a date. */
  readonly now: number
  /** Already known to be wrong: rules that read it say nothing. */
  isWrong(path: ConfigPath): boolean
}

export function ruleProblems(facts: RuleFacts): readonly PathProblem[] {
  const listeners = facts.settings.listener ?? []
  return [
    ...listeners.flatMap((listener, index) => listenerFindings(listener, index)),
    ...ownNameFindings(facts, listeners),
    ...postmasterFindings(facts.settings, listeners),
    ...portFindings(facts.settings, listeners),
    ...credentialFindings(facts.settings),
    ...queueFindings(facts.settings),
    ...roleFindings(facts.settings),
    ...retryFindings(facts.settings),
    ...daneFindings(facts.settings),
    ...limitFindings(facts.settings),
    ...routeFindings(facts.settings),
    ...sourceFindings(facts.settings),
    ...dkimFindings(facts.settings),
    ...overrideFindings(facts.settings, facts.now),
    ...tlsrptFindings(facts.settings),
    ...socketmapFindings(facts.settings),
    ...apiFindings(facts.settings),
  ].filter(({ read }) => !read.some((path) => facts.isWrong(path)))
}

/** require_auth as it will be: by kind when it is not written (RFC 6409 §4.3). */
export function requiresAuth(listener: {
  readonly kind?: string | undefined
  readonly require_auth?: boolean | undefined
}): boolean {
  return listener.require_auth ?? listener.kind !== 'relay'
}

function listenerFindings(listener: ReadableListener, index: number): readonly Finding[] {
  const at = (field: string): ConfigPath => ['listener', index, field]
  return [
    ...certificateFindings(listener, at),
    ...loginFindings(listener, at),
    ...openRelayFindings(listener, at),
    ...proxyFindings(listener, at),
    ...repairFindings(listener, at),
  ]
}

type At = (field: string) => ConfigPath

function certificateFindings(listener: ReadableListener, at: At): readonly Finding[] {
  const read = [at('address'), at('tls'), at('cert_file'), at('key_file')]
  const { address, tls, cert_file, key_file } = listener
  if (cert_file !== undefined && key_file === undefined) {
    return [{ path: at('cert_file'), wrong: 'has no private key', remedy: 'write key_file too', read }]
  }
  if (key_file !== undefined && cert_file === undefined) {
    return [{ path: at('key_file'), wrong: 'has no certificate', remedy: 'write cert_file too', read }]
  }
  if (cert_file !== undefined || tls === 'none' || address === undefined || isLoopback(address)) return []
  const wrong = `is not loopback (${address}), so the self-signed certificate cannot be used`
  return [{ path: at('address'), wrong, remedy: 'write cert_file and key_file', read }]
}

function loginFindings(listener: ReadableListener, at: At): readonly Finding[] {
  const { address, tls } = listener
  if (tls !== 'none' || address === undefined || isLoopback(address) || !requiresAuth(listener)) return []
  const read = [at('address'), at('tls'), at('kind'), at('require_auth')]
  const wrong = 'would send passwords in clear over a network'
  return [{ path: at('tls'), wrong, remedy: 'write "starttls" or "implicit", or require_auth = false', read }]
}

/** Networks wider than these hold strangers: what is allowed to all of them is an open relay. */
const WIDEST_PREFIX = { 4: 8, 6: 16 } as const

function openRelayFindings(listener: ReadableListener, at: At): readonly Finding[] {
  const networks = listener.allow_networks ?? []
  const read = [at('kind'), at('require_auth'), at('allow_networks')]
  if (networks.length === 0 && (listener.kind === 'relay' || !requiresAuth(listener))) {
    const wrong =
      listener.kind === 'relay' ? 'is relay, which accepts mail by network' : 'is false, so anybody could relay'
    const path = listener.kind === 'relay' ? at('kind') : at('require_auth')
    return [{ path, wrong, remedy: 'write allow_networks = ["…"] with the networks of your own senders', read }]
  }
  if (requiresAuth(listener)) return []
  return networks.flatMap((network, position) => {
    if (network === undefined || !isTooWide(network)) return []
    const wrong = `is so wide that this would be an open relay: "${network}"`
    const path = [...at('allow_networks'), position]
    const remedy = 'write the networks of your own senders'
    return [{ path, wrong, remedy, read: [at('kind'), at('require_auth'), path] }]
  })
}

/** Who may name the client decides who may relay. */
function proxyFindings({ proxy_networks: networks = [] }: ReadableListener, at: At): readonly Finding[] {
  return networks.flatMap((network, position) => {
    if (network === undefined || !isTooWide(network)) return []
    const wrong = `is so wide that strangers could name any client: "${network}"`
    const path = [...at('proxy_networks'), position]
    return [{ path, wrong, remedy: 'write the networks of your own proxies', read: [path] }]
  })
}

function isTooWide(network: string): boolean {
  return Number(network.split('/')[1]) < WIDEST_PREFIX[network.includes(':') ? 6 : 4]
}

/** RFC 5321 §6.4: a relay passes on what it gets; SMUG-02: what it cannot pass on as it is, it refuses. */
function repairFindings(listener: ReadableListener, at: At): readonly Finding[] {
  if (listener.kind !== 'relay') return []
  const changing = (['repair_line_ends', 'encode_8bit'] as const).filter((field) => listener[field] === true)
  return changing.map((field) => {
    const wrong = 'is for submission; a relay listener changes no message'
    const remedy = 'remove it, or write kind = "submission"'
    return { path: at(field), wrong, remedy, read: [at('kind'), at(field)] }
  })
}

/** RFC 5321 §4.1.4: strangers see this name; a literal is for a relay that only this machine talks to. */
function ownNameFindings(
  { settings, defaultName }: RuleFacts,
  listeners: readonly ReadableListener[],
): readonly Finding[] {
  const outside = firstOutside(listeners)
  if (outside === undefined || (settings.hostname ?? defaultName).kind === 'name') return []
  const read: ConfigPath[] = [['hostname'], ['listener', outside, 'address']]
  const remedy =
    'write hostname = "relay.example.com" above the first table, with the name that your address has in DNS'
  if (settings.hostname !== undefined) {
    return [{ path: ['hostname'], wrong: 'is an address literal, but a listener is not on loopback', remedy, read }]
  }
  const wrong = 'is not loopback, and this system has no full host name'
  return [{ path: ['listener', outside, 'address'], wrong, remedy, read }]
}

/** RFC 5321 §4.5.1. */
function postmasterFindings(settings: ReadableConfig, listeners: readonly ReadableListener[]): readonly Finding[] {
  const outside = firstOutside(listeners)
  if (outside === undefined || settings.postmaster !== undefined) return []
  const path: ConfigPath = ['listener', outside, 'address']
  const remedy = 'write postmaster = "postmaster@example.com" above the first table'
  return [{ path, wrong: 'is not loopback, so a postmaster is needed', remedy, read: [['postmaster'], path] }]
}

function firstOutside(listeners: readonly ReadableListener[]): number | undefined {
  const index = listeners.findIndex(({ address }) => address !== undefined && !isLoopback(address))
  return index === -1 ? undefined : index
}

interface Socket {
  readonly path: ConfigPath
  readonly address: string
  readonly port: number
}

function portFindings(settings: ReadableConfig, listeners: readonly ReadableListener[]): readonly Finding[] {
  const sockets: Socket[] = listeners.flatMap(({ address, port }, index) =>
    address === undefined || port === undefined ? [] : [{ path: ['listener', index, 'port'], address, port }],
  )
  const { listen } = settings.metrics ?? {}
  if (listen !== undefined) sockets.push({ path: ['metrics', 'listen'], ...listen })
  const ofApi = settings.api?.listen
  if (ofApi !== undefined) sockets.push({ path: ['api', 'listen'], ...ofApi })
  const place = settings.socketmap?.listen
  const { address, port } = { address: undefined, port: undefined, ...place }
  if (address !== undefined && port !== undefined) sockets.push({ path: ['socketmap', 'listen'], address, port })
  return sockets.flatMap((socket, index) => {
    const earlier = sockets.slice(0, index).find((other) => collide(socket, other))
    if (earlier === undefined) return []
    const wrong = `takes port ${socket.port}, which another setting takes too`
    return [{ path: socket.path, wrong, remedy: 'write another port', read: [socket.path, earlier.path] }]
  })
}

function collide(left: Socket, right: Socket): boolean {
  if (left.port !== right.port || left.port === 0) return false
  if (left.address === right.address || left.address === '::' || right.address === '::') return true
  const sameFamily = left.address.includes(':') === right.address.includes(':')
  return sameFamily && (isUnspecified(left.address) || isUnspecified(right.address))
}

function retryFindings({ delivery }: ReadableConfig): readonly Finding[] {
  const { retry_interval: first, retry_interval_max: longest } = delivery ?? {}
  if (first === undefined || longest === undefined || first <= longest) return []
  const path: ConfigPath = ['delivery', 'retry_interval_max']
  const remedy = `write at least "${formatDuration(first)}", or a shorter retry_interval`
  return [{ path, wrong: 'is shorter than retry_interval', remedy, read: [path, ['delivery', 'retry_interval']] }]
}
