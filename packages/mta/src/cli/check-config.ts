/** `hermetic check-config`: every problem of the configuration, or what it means. */

import { bucketPlace } from '../config/content-bucket.ts'
import { settingPlaces } from '../config/load.ts'
import { placeText } from '../config/problem.ts'
import { formatDuration, formatSize } from '../config/quantity.ts'
import { redisAddress } from '../config/redis-servers.ts'
import type { Config, RouteConfig } from '../config/schema.ts'
import { criteriaText, domainText, senderText } from '../delivery/route-text.ts'
import { redisPlace } from '../redis/redis-place.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import { configuredSources } from '../wiring/configured-sources.ts'
import { readArguments } from './arguments.ts'
import { portDoubts } from './port-doubts.ts'
import { routeDoubts } from './route-doubts.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { EXIT, type Verb } from './verb.ts'

export const checkConfig: Verb = {
  summary: 'read the configuration and tell every problem',
  help: `Usage: hermetic check-config [--config FILE] [--json]

Reads the file and the HERMETIC_ variables exactly as start does. Tells every problem at once, with file, line and
what to write instead, and exits with 78; otherwise prints what the configuration means.

  --config FILE  read this file
  --json         print all settings in force as JSON; secrets show as [redacted]

Examples:
  hermetic check-config
  hermetic check-config --config /etc/hermetic/hermetic.toml --json
`,
  async run(args, terminal) {
    const { values } = readArguments(args, { ...CONFIG_OPTION, json: { type: 'boolean', default: false } })
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const { config, file } = settings
    if (values.json) {
      const hostname = formatDomain(config.hostname)
      const route = config.route.map((one) => ({ ...one, ...routeJson(one) }))
      const source = config.source.map((one) => ({ ...one, hostname: formatDomain(one.hostname ?? config.hostname) }))
      terminal.out(`${JSON.stringify({ ...config, hostname, route, source }, undefined, 2)}\n`)
      return EXIT.done
    }
    for (const doubt of portDoubts(config)) terminal.err(`warning: ${doubt}\n`)
    const { env, workingDirectory } = terminal
    const placeOf = settingPlaces({ file, env, workingDirectory })
    for (const { path, text } of routeDoubts(config)) terminal.err(`warning: ${placeText(placeOf(path))}: ${text}\n`)
    terminal.out(`${file ?? 'No file: the defaults'}: no problems.\n\n${summary(config)}`)
    return EXIT.done
  },
}

function summary(config: Config): string {
  const { api, delivery, metrics } = config
  const listeners = config.listener.map(({ kind, address, port, tls, require_auth }) => {
    const login = require_auth ? 'login needed' : 'by network'
    return ['listens', `${address} port ${port}: ${kind}, ${tls === 'none' ? 'no TLS' : tls}, ${login}`]
  })
  const rows = [
    ['name', formatDomain(config.hostname)],
    ...queueRows(config),
    ...listeners,
    ...config.route.map((route) => ['routes', routeText(route)]),
    ...config.dkim.map(({ domain, selector, subdomains }) => {
      return ['signs', `${domain}${subdomains ? ' and below' : ''}: selector ${selector}`]
    }),
    ...configuredSources(config).map(({ name, addresses }) => {
      return ['leaves', `pool ${name}: ${addresses.map((one) => `${one.address} as ${one.hostname}`).join(', ')}`]
    }),
    ['delivers', `to port ${delivery.port}, for ${formatDuration(delivery.max_age)} at most`],
    [
      'asks',
      config.dns.servers.map(({ address, port }) => `${address} port ${port}`).join(', ') ||
        'the servers of /etc/resolv.conf',
    ],
    ['metrics', `${metrics.listen.address} port ${metrics.listen.port}`],
    ...(api.listen === undefined ? [] : [['api', `${api.listen.address} port ${api.listen.port}`]]),
  ]
  return rows.map(([name = '', value = '']) => `  ${name.padEnd(9)} ${value}\n`).join('')
}

function queueRows({ data_dir, queue }: Config): readonly (readonly string[])[] {
  const most = `${formatSize(queue.max_bytes)} at most`
  if (queue.engine === 'embedded') return [['data', `${data_dir}, ${most}`]]
  return [
    ['data', `${data_dir}, for this relay alone`],
    ['queue', `in Redis (${redisPlace(redisAddress(queue.redis, ''))}), ${queue.durability}, ${most}`],
    [
      'contents',
      `${queue.bucket === undefined ? queue.content_dir : bucketPlace(queue.bucket)}, for all relays of the queue`,
    ],
  ]
}

function routeJson({ domain, sender, host, oauth_token_url: endpoint }: RouteConfig) {
  const named = host === undefined ? {} : { host: formatDomain(host) }
  const tokens = endpoint === undefined ? {} : { oauth_token_url: endpointText(endpoint) }
  return { domain: domainText(domain), sender: senderText(sender), ...named, ...tokens }
}

function endpointText({ host, port, path }: NonNullable<RouteConfig['oauth_token_url']>): string {
  return `https://${host}${port === 443 ? '' : `:${port}`}${path}`
}

function routeText(route: RouteConfig): string {
  const { host, port, tls, username, source_pool, from_attempt: fromAttempt, fallback } = route
  const { domain, sender, tag } = route
  const login = username === undefined ? 'no login' : `login ${username}`
  const criteria = criteriaText({ domain, sender, fromAttempt, ...(tag === undefined ? {} : { tag }) })
  const whose = fallback === undefined ? criteria : `${criteria} (when ${FALLBACK_WORDS[fallback]})`
  const pool = source_pool === undefined ? '' : `, pool ${source_pool}`
  const where =
    host === undefined ? `the mail exchangers${pool}` : `${formatDomain(host)} port ${port}: ${tls}, ${login}${pool}`
  return `${whose} to ${where}`
}

const FALLBACK_WORDS = {
  unreachable: 'nobody can be reached',
  'unreachable-or-policy': 'nobody can be reached, or a TLS policy keeps it back',
} as const
