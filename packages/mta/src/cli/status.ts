/** `hermetic status`: what the running relay does, in a few lines. */
import { join } from 'node:path'
import { connectControl } from '../admin/control-client.ts'
import { type RelayStatus, SOCKET_NAME } from '../admin/control-protocol.ts'
import { ROLES } from '../nodes/role.ts'
import { readArguments } from './arguments.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { counted, formatAge, formatBytes } from './table.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Verb } from './verb.ts'

export const status: Verb = {
  summary: 'what the running relay does',
  help: `Usage: hermetic status [--config FILE] [--json] [--alive]

Asks the running relay over its socket in data_dir. Exits with 1 when none runs, or when it is not ready.

  --json   for programs
  --alive  exits with 0 whenever the relay answers, ready or not: for whoever restarts what is dead

Example:
  hermetic status
`,
  async run(args, terminal) {
    const { values } = readArguments(args, {
      ...CONFIG_OPTION,
      json: { type: 'boolean', default: false },
      alive: { type: 'boolean', default: false },
    })
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const relay = await connectControl(join(settings.config.data_dir, SOCKET_NAME))
    if (relay === undefined) {
      terminal.err(`No relay runs on ${settings.config.data_dir}.\n${tryHint(settings.config, 'status')}`)
      return EXIT.failed
    }
    const state = await relay.status()
    terminal.out(values.json ? `${JSON.stringify(state, undefined, 2)}\n` : statusText(state, terminal.now()))
    return state.readiness.ready || values.alive ? EXIT.done : EXIT.failed
  },
}

export function statusText(state: RelayStatus, now: number): string {
  const { queue, store, readiness } = state
  const ready = readiness.ready ? 'ready' : `not ready: ${readiness.reasons.join('; ')}`
  const rows = [
    ['relay', `${state.hostname}, Hermetic ${state.version} on Node.js ${state.node}, pid ${state.pid}`],
    ['up', `${formatAge(now - state.startedAt)}, ${ready}`],
    ...(ROLES.every((role) => role === 'api' || state.roles.includes(role)) ? [] : [['does', state.roles.join(', ')]]),
    ...readiness.notes.map((note) => ['note', note]),
    ...state.listeners.map(({ kind, address, port, tls }) => {
      return ['listens', `${address} port ${port}: ${kind}, ${tls === 'none' ? 'no TLS' : tls}`]
    }),
    ['metrics', `http://${urlHost(state.metrics.address)}:${state.metrics.port}/metrics`],
    ...queueRows(queue, now),
    ['store', `${formatBytes(store.usedBytes)} of ${formatBytes(store.maxBytes)} in ${storeText(state)}`],
  ]
  return rows.map(([name = '', value = '']) => `${name.padEnd(10)} ${value}\n`).join('')
}

function queueRows(queue: RelayStatus['queue'], now: number): readonly (readonly string[])[] {
  if (queue === undefined) return [['queue', 'cannot be read now']]
  const { messages, bytes, recipientsOpen, oldestReceivedAt, held, quarantined } = queue
  const oldest = oldestReceivedAt === undefined ? '' : `, the oldest ${formatAge(now - oldestReceivedAt)} old`
  const waiting = `${counted(messages, 'message')} (${formatBytes(bytes)}), ${counted(recipientsOpen, 'recipient')}${oldest}`
  return [
    ['queue', waiting],
    ['set aside', `${held} held, ${quarantined} quarantined`],
  ]
}

function storeText({ engine, directory }: RelayStatus): string {
  return engine === 'redis' ? `Redis; journals in ${directory}` : directory
}

function urlHost(address: string): string {
  return address.includes(':') ? `[${address}]` : address
}
