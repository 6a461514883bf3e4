/**
 * What `hermetic start` tells a person once the relay runs: where it listens, what is off and why, and a line that
 * sends a message when it is pasted. Pure.
 */

import { join, relative } from 'node:path'
import type { DnssecState } from '@hermetic/policy'
import { dnssecText } from '../admin/dnssec-text.ts'
import { formatSize } from '../config/quantity.ts'
import { redisAddress } from '../config/redis-servers.ts'
import type { Config } from '../config/schema.ts'
import type { Relay } from '../main.ts'
import { ROLES } from '../nodes/role.ts'
import { judgeNodeVersion } from '../observability/node-version.ts'
import { redisPlace } from '../redis/redis-place.ts'
import { tlsrptKeyPlace } from '../reporting/key-place.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import { coloured } from './colour.ts'
import type { Login } from './first-login.ts'
import { shellWord } from './shell-word.ts'

export interface StartFacts {
  readonly relay: Pick<Relay, 'listeners' | 'metricsPort' | 'apiPort' | 'nameServers' | 'dnssec' | 'waiting'>
  readonly login: Login | undefined
  readonly isTry: boolean
  readonly file: string | undefined
  readonly version: string
  readonly node: string
  readonly colours: boolean
  /** Paths below it are shown from there. */
  readonly workingDirectory: string
}

type Row = readonly [label: string, text: string]

export function startText(config: Config, facts: StartFacts): string {
  const { version, node, colours } = facts
  const title = coloured(`Hermetic ${version} is ready`, 'strong', colours)
  const rows: readonly Row[] = [...onRows(config, facts), ...offRows(config, facts), ...warningRows(facts)]
  const width = Math.max(...rows.map(([label]) => label.length))
  const table = rows.map(([label, text]) => `  ${coloured(label.padEnd(width), 'quiet', colours)}  ${text}`)
  return `\n${title}, ${formatDomain(config.hostname)}, Node.js ${node}\n\n${table.join('\n')}\n${sendText(config, facts)}\n`
}

function onRows(config: Config, { relay, isTry, file, workingDirectory }: StartFacts): readonly Row[] {
  const listeners = relay.listeners.map(
    ({ config: { kind, tls, require_auth: login, cert_file: certificate }, listener }): Row => {
      const { address, port } = listener
      const how =
        tls === 'none'
          ? 'no TLS'
          : `${tls === 'starttls' ? 'STARTTLS' : 'implicit TLS'}${certificate === undefined ? ' (self-signed)' : ''}`
      return [kind, `${address} port ${port}, ${how}, ${login ? 'login needed' : 'by network'}`]
    },
  )
  const servers = relay.nameServers?.servers.map(({ address, port }) => (port === 53 ? address : `${address}#${port}`))
  const asked = { configuration: '', system: ' (system)', loopback: ' (no servers are set up on this system)' }
  return [
    ...roleRows(config),
    ...listeners,
    ['settings', file ?? 'none: the defaults (hermetic describe-config prints a file to start from)'],
    [
      'queue',
      `${queuePlace(config, workingDirectory)}, at most ${formatSize(config.queue.max_bytes)}, ${waitingText(relay.waiting)}`,
    ],
    [
      'delivers',
      isTry
        ? 'everything to a mailbox in this process; nothing leaves this machine'
        : `${config.route.length === 0 ? '' : 'by [[route]], else '}to port ${config.delivery.port}, TLS whenever it is offered${policyWords(config, relay)}`,
    ],
    ...(relay.nameServers === undefined
      ? []
      : [['asks', `${servers?.join(', ')}${asked[relay.nameServers.from]}`] satisfies Row]),
    ...dnssecRows(relay, { validating: 'dnssec' }),
    ['metrics', `http://${config.metrics.listen.address}:${relay.metricsPort}/metrics, /healthz, /readyz`],
    ...(relay.apiPort === undefined ? [] : [['api', apiUrl(config, relay.apiPort)] satisfies Row]),
  ]
}

function apiUrl({ api }: Config, port: number): string {
  const address = api.listen?.address ?? ''
  const host = address.includes(':') ? `[${address}]` : address
  return `${api.cert_file === undefined ? 'http' : 'https'}://${host}:${port}/api/v1`
}

/** Who does everything need not say so. */
function roleRows({ role }: Config): readonly Row[] {
  return ROLES.every((one) => role.includes(one)) ? [] : [['does', `${role.join(', ')} (role)`]]
}

function queuePlace({ data_dir, queue }: Config, workingDirectory: string): string {
  return queue.engine === 'redis'
    ? `Redis at ${redisPlace(redisAddress(queue.redis, ''))}`
    : shown(data_dir, workingDirectory)
}

function policyWords({ delivery, mta_sts: mtaSts }: Config, { dnssec }: StartFacts['relay']): string {
  if (delivery.enforcement === 'observe') return '; policies are only observed (hermetic observe summary)'
  const dnssecState = dnssec.state()?.kind ?? 'off'
  const demanding = [...(mtaSts.enabled ? ['MTA-STS'] : []), ...(dnssecState === 'off' ? [] : ['DANE'])]
  return demanding.length === 0 ? '' : `, as ${demanding.join(' and ')} policies demand`
}

/** In the part of the table that the state belongs to. */
function dnssecRows(
  { dnssec }: StartFacts['relay'],
  labels: Readonly<Partial<Record<DnssecState['kind'], string>>>,
  shownAs: (text: string) => string = (text) => text,
): readonly Row[] {
  const state = dnssec.state()
  const label = state && labels[state.kind]
  return state === undefined || label === undefined ? [] : [[label, shownAs(dnssecText(state))]]
}

/** Kept in step with what the relay honours; each line says why. */
function offRows(config: Config, { relay }: StartFacts): readonly Row[] {
  return [
    ...(config.mta_sts.enabled ? [] : [['off', 'MTA-STS: [mta_sts] enabled = false'] satisfies Row]),
    ...(config.submission.require_tls ? [] : [['off', 'REQUIRETLS: [submission] require_tls = false'] satisfies Row]),
    ...(config.delivery.enforcement === 'enforce'
      ? []
      : [['off', 'refusing by MTA-STS and DANE, and so REQUIRETLS: [delivery] enforcement = "observe"'] satisfies Row]),
    ...dnssecRows(relay, { off: 'off' }),
    ...(config.dkim.length > 0
      ? []
      : [['off', 'DKIM: there is no [[dkim]] (hermetic dkim keygen makes a key)'] satisfies Row]),
    ...reportRows(config),
    ...(relay.listeners.length > 0 && relay.listeners.every(({ listener }) => isLoopback(listener.address))
      ? [['off', 'other machines: all listeners are on loopback ([[listener]] address opens more)'] satisfies Row]
      : []),
  ]
}

function reportRows(config: Config): readonly Row[] {
  const { enabled, contact } = config.tlsrpt
  if (!enabled) return [['off', 'TLSRPT: [tlsrpt] enabled = false']]
  const domain = contact?.domain.kind === 'name' ? contact.domain.name : undefined
  if (tlsrptKeyPlace(config) !== undefined || config.dkim.some((entry) => entry.domain === domain)) return []
  return [['off', `TLS reports by mail: no key signs for ${domain} (hermetic tlsrpt key makes one)`]]
}

function warningRows({ relay, node, colours }: StartFacts): readonly Row[] {
  const warning = (text: string): string => coloured(text, 'warning', colours)
  const lost = dnssecRows(relay, { lost: 'warning' }, warning)
  const verdict = judgeNodeVersion(node)
  if (verdict.kind !== 'outdated' && verdict.kind !== 'unsupported') return lost
  const text = `Node.js ${node} lacks the TLS fixes of October 2026; use ${verdict.fixedIn} or newer in production`
  return [...lost, ['warning', warning(text)]]
}

function sendText(config: Config, { relay, login, workingDirectory }: StartFacts): string {
  const open = relay.listeners.find(({ config: { kind } }) => kind === 'submission') ?? relay.listeners[0]
  if (open === undefined || login === undefined) return ''
  const { address, port } = open.listener
  const stays =
    login.lives === 'in-data-dir'
      ? `The login ${login.username} stays; its secret is shown this once (hermetic credential add makes others).`
      : `The login ${login.username} ends with this process (hermetic credential add makes one that stays).`
  const trust =
    open.config.tls !== 'none' && open.config.cert_file === undefined
      ? ` --ca ${shellWord(shown(join(config.data_dir, 'self-signed.pem'), workingDirectory))}`
      : ''
  return `
Send a message (paste this into another terminal, here):

  ./hermetic send --server ${address}:${port}${trust} --user ${shellWord(login.username)} --password=${login.secret} --to you@example.com

${stays}
`
}

/** The shorter of the two ways to write a path. */
function shown(path: string, workingDirectory: string): string {
  const short = relative(workingDirectory, path)
  return short === '' || short.startsWith('..') ? path : short
}

function waitingText(messages: number): string {
  if (messages === 0) return 'empty'
  return messages === 1 ? '1 message waits' : `${messages} messages wait`
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1'
}
