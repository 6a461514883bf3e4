/** `hermetic drain`: takes a node out of service without mail waiting for it, and puts it back. */
import { setTimeout as sleep } from 'node:timers/promises'
import { findNode, type ListedNode, type NodeWish } from '../nodes/standing.ts'
import { readArguments } from './arguments.ts'
import { type OpenedNodes, openNodes } from './open-nodes.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { counted } from './table.ts'
import { EXIT, type Terminal, UserError, type Verb } from './verb.ts'

/** Between two looks at the node. */
const LOOK_MS = 250
/** Longer than `delivery.stop_grace` is by default, and than a beat. */
const WAIT_MS = 60_000

export const drain: Verb = {
  summary: 'take a relay out of service without mail waiting for it, and put it back',
  help: `Usage: hermetic drain [NODE] [--no-wait]
       hermetic drain [NODE] --undo

NODE is an id of hermetic nodes, the beginning of one, or the name of a machine; without it, the relay of this data_dir.

A draining relay hands its lanes to the others at once; messages behind their final dot get delivery.stop_grace. New
sessions are answered 421 4.3.2, and /readyz says no, so that a load balancer sends nobody. It stays so until --undo or
its next start. Alone, or when all others drain, mail waits.

Waits until nothing is under way in it, at most a minute, so that it can be stopped afterwards. Exit code: 1 when
something still is.

  --undo         let it take lanes and sessions again
  --no-wait      only order it
  --config FILE  read this configuration file

Examples:
  hermetic drain && systemctl stop hermetic
  hermetic drain relay-2.example.com
  hermetic drain 3f2a --undo
`,
  async run(args, terminal) {
    const { values, positionals } = readArguments(
      args,
      { ...CONFIG_OPTION, undo: { type: 'boolean', default: false }, 'no-wait': { type: 'boolean', default: false } },
      { min: 0, max: 1, name: 'nodes' },
    )
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const opened = await openNodes(settings.config)
    if (opened === undefined) throw new UserError(`no relay runs on ${settings.config.data_dir}`)
    try {
      const node = await named(opened, positionals[0])
      const wish = values.undo ? 'run' : 'drain'
      await ordered(opened, node, wish)
      if (values['no-wait']) {
        terminal.out(`${nameOf(node)} is to ${wish}.\n`)
        return EXIT.done
      }
      return wish === 'run' ? await untilRunning(opened, node, terminal) : await untilDrained(opened, node, terminal)
    } finally {
      opened.close()
    }
  },
}

async function named(opened: OpenedNodes, name: string | undefined): Promise<ListedNode> {
  const { here, nodes } = await opened.report()
  if (name === undefined && here === undefined) {
    throw new UserError('no relay runs on this data_dir; write which one: hermetic nodes lists them')
  }
  const found = findNode(nodes, name ?? here ?? '')
  if (found.kind === 'one') return found.node
  if (found.kind === 'none') throw new UserError(`there is no node ${name ?? here}; hermetic nodes lists them`)
  throw new UserError(`${name} may be one of ${found.nodes.map(nameOf).join(', ')}; write its id`)
}

async function ordered(opened: OpenedNodes, node: ListedNode, wish: NodeWish): Promise<void> {
  const answer = await opened.order(node.id, wish)
  if (answer === 'ordered') return
  const because = answer === 'silent' ? 'is silent: it hears no orders, and its mail goes on elsewhere' : 'is gone'
  throw new UserError(`${nameOf(node)} ${because}`)
}

async function untilRunning(opened: OpenedNodes, node: ListedNode, terminal: Terminal): Promise<number> {
  const now = await look(opened, node, { terminal, reached: ({ standing }) => standing !== 'draining' })
  if (now === undefined || now.standing === 'silent') return gone(node, terminal)
  if (now.standing === 'running') terminal.out(`${nameOf(node)} takes lanes and sessions again.\n`)
  else terminal.err(`${nameOf(node)} is still ${now.standing}.\n`)
  return now.standing === 'running' ? EXIT.done : EXIT.failed
}

async function untilDrained(opened: OpenedNodes, node: ListedNode, terminal: Terminal): Promise<number> {
  const now = await look(opened, node, { terminal, reached: isDrained })
  if (now === undefined || now.standing === 'silent') return gone(node, terminal)
  if (!isDrained(now)) {
    terminal.err(`${nameOf(node)} is ${now.standing}, with ${counted(now.inFlight, 'message')} still in flight.\n`)
    return EXIT.failed
  }
  terminal.out(`${nameOf(node)} is drained: nothing is under way in it, and it can be stopped.\n`)
  const { nodes } = await opened.report()
  if (!nodes.some(({ standing }) => standing === 'running')) {
    terminal.err('No other relay of the queue runs: mail waits until one does.\n')
  }
  return EXIT.done
}

function isDrained({ standing, lanes, inFlight }: ListedNode): boolean {
  return standing !== 'running' && standing !== 'starting' && lanes === 0 && inFlight === 0
}

/** The node as it stands when that is reached, or when there is nothing to wait for, or the time is over. */
async function look(
  opened: OpenedNodes,
  { id }: ListedNode,
  { terminal, reached }: { readonly terminal: Terminal; readonly reached: (node: ListedNode) => boolean },
): Promise<ListedNode | undefined> {
  const giveUpAt = terminal.now() + WAIT_MS
  for (;;) {
    const { nodes } = await opened.report()
    const node = nodes.find((one) => one.id === id)
    if (node === undefined || node.standing === 'silent' || reached(node) || terminal.now() > giveUpAt) return node
    await sleep(LOOK_MS)
  }
}

function gone(node: ListedNode, terminal: Terminal): number {
  terminal.err(`${nameOf(node)} does not beat any more.\n`)
  return EXIT.failed
}

function nameOf({ id, hostname }: ListedNode): string {
  return `${id} (${hostname})`
}
