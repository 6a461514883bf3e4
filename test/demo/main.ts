/**
 * `pnpm demo [--hold]`: the real relay in a small Internet on loopback, and what becomes of a message to each domain
 * of the cast. On a terminal the table is alive, and everything keeps running until Enter or Ctrl-C, so that the
 * commands it prints can be tried; elsewhere it ends by itself (`--hold`: when its input ends). The exit code is 1
 * when something came out differently than it must.
 */
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { coloured, hasColours } from '../../packages/mta/src/cli/colour.ts'
import { RelayInstance } from '../interop/relay-instance.ts'
import { SmtpDialogue } from '../lab/submit.ts'
import { CAST, type Player } from './cast.ts'
import { DemoWorld } from './demo-world.ts'
import { Redrawn, type Row, tableLines } from './screen.ts'
import { alarmsOf, type LogFields, type Story, storyOf } from './story.ts'

const TITLES = ['', 'DOMAIN', 'WHAT IS WRONG', 'POLICY FOUND', 'DEMANDED', 'HOST PROVED', 'OUTCOME']
const READY_MS = 20_000
const DONE_MS = 30_000
const POLL_MS = 20
/** Between two messages, so that eyes can follow. */
const STEP_MS = 400
/** Of a pipe, which never cuts. */
const WIDE = 1_000

const { values: options } = parseArgs({ options: { hold: { type: 'boolean', default: false } } })
const isTerminal = process.stdout.isTTY === true
const interactive = isTerminal && process.stdin.isTTY === true
const colours = hasColours(process.stdout, process.env)
const interrupted = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort())

// Whoever watched is gone (`pnpm demo | head`): the world is taken down all the same.
process.stdout.on('error', () => interrupted.abort())

process.exitCode = await main()

async function main(): Promise<number> {
  const began = performance.now()
  await using world = await DemoWorld.start(CAST)
  const log: LogFields[] = []
  const relay = await RelayInstance.launch({
    dir: world.directory,
    settings: await world.settings(),
    readyPort: 0,
    onLine: (line) => void log.push(JSON.parse(line)),
  })
  try {
    const ready = await until(() => has(log, 'relay-ready') || !relay.running || interrupted.signal.aborted, READY_MS)
    if (!ready || !relay.running) throw new Error(`the relay did not start:\n${relay.output}`)
    say(
      `\nHermetic runs in a small Internet on loopback, pid ${relay.pid}: its own DNS, mail and policy hosts, authority.`,
    )
    say('One message goes to each domain.\n')
    await perform(world, log)
    if (interrupted.signal.aborted) return 1
    const wrong = CAST.filter((player) => !asExpected(world, player, storyOf(log, player.domain)))
    sayEnd(world, log, { wrong, seconds: (performance.now() - began) / 1000 })
    if (interactive || options.hold) await untilEnd()
    return wrong.length === 0 ? 0 : 1
  } finally {
    await relay.stop()
  }
}

/** Sends to everybody in turn, and shows what comes of it while it comes. */
async function perform(world: DemoWorld, log: readonly LogFields[]): Promise<void> {
  const screen = new Redrawn((text) => process.stdout.write(text))
  const sent = new Set<string>()
  const lines = () => tableLines(TITLES, rows(world, log, sent), { width: process.stdout.columns ?? WIDE, colours })
  const drawing = isTerminal ? setInterval(() => screen.draw(lines()), 100) : undefined
  try {
    await submitAll(log, (domain) => sent.add(domain))
    const done = () => CAST.every(({ domain }) => storyOf(log, domain).done) || interrupted.signal.aborted
    await until(done, DONE_MS)
  } finally {
    clearInterval(drawing)
  }
  if (isTerminal) screen.draw(lines())
  else say(lines().join('\n'))
}

async function submitAll(log: readonly LogFields[], onSent: (domain: string) => void): Promise<void> {
  const port = Number(log.find(({ event }) => event === 'listening')?.['port'])
  const client = await SmtpDialogue.open({ port })
  await client.reply()
  await client.command('EHLO demo.test')
  for (const { domain } of CAST) {
    if (interrupted.signal.aborted) break
    await client.command('MAIL FROM:<demo@sender.test>')
    await client.command(`RCPT TO:<you@${domain}>`)
    await client.command('DATA')
    client.send(`From: <demo@sender.test>\r\nTo: <you@${domain}>\r\nSubject: The demo\r\n\r\nHello.\r\n.\r\n`)
    const reply = await client.reply()
    if (reply?.code !== 250) throw new Error(`the relay did not take a message: ${reply?.text}`)
    onSent(domain)
    if (isTerminal) await pause(STEP_MS)
  }
  await client.quit()
}

function rows(world: DemoWorld, log: readonly LogFields[], sent: ReadonlySet<string>): readonly Row[] {
  return CAST.map((player) => {
    const { domain, wrong } = player
    const story = storyOf(log, domain)
    const outcome = story.done ? story.outcome : sent.has(domain) ? 'under way …' : ''
    const right = asExpected(world, player, story)
    return [
      story.done ? { text: right ? '✓' : '✗', tone: right ? 'good' : 'bad' } : { text: '' },
      { text: domain },
      { text: wrong, ...(wrong === 'nothing' ? { tone: 'good' as const } : {}) },
      { text: story.found },
      { text: story.demanded },
      { text: story.proved },
      { text: outcome, tone: !story.done ? 'quiet' : story.delivered ? 'good' : 'warning' },
    ]
  })
}

/** The relay's word and what the mail exchanger saw are both what they must be. */
function asExpected(world: DemoWorld, player: Player, story: Story): boolean {
  const { arrived, contacted } = player.expected
  const { connections, messages } = world.mx(player)
  const inTls = messages.length === 1 && messages[0]?.inTls === true
  const came = arrived === 'not-sent' ? messages.length === 0 && !story.delivered : inTls && story.delivered
  const proven = arrived !== 'proven' || story.verdict === 'sts'
  return story.done && came && proven && connections.length > 0 === contacted
}

function sayEnd(
  world: DemoWorld,
  log: readonly LogFields[],
  { wrong, seconds }: { readonly wrong: readonly Player[]; readonly seconds: number },
): void {
  const delivered = CAST.filter(({ domain }) => storyOf(log, domain).delivered).length
  const verdict =
    wrong.length === 0
      ? coloured('all as it must be', 'good', colours)
      : coloured(`not as it must be: ${wrong.map(({ domain }) => domain).join(', ')}`, 'bad', colours)
  say(
    `\n${delivered} delivered, ${CAST.length - delivered} wait and never left in clear; ${verdict} (${seconds.toFixed(1)} s).`,
  )
  say(
    `\nThe relay also raised these alarms:\n${alarmsOf(log)
      .map((alarm) => `  ${alarm}\n`)
      .join('')}`,
  )
  if (!interactive && !options.hold) return
  const file = `${world.directory}/hermetic.toml`
  const hermetic = commandPath()
  say(`Ask it yourself, in a second terminal${hermetic.startsWith('./') ? ' in this directory' : ''}:\n`)
  for (const command of invitations(log)) say(`  ${hermetic} ${command} --config ${file}`)
  say(`\n${interactive ? 'Enter or Ctrl-C ends the demo.' : 'The demo ends with its input.'}`)
}

/** Each works as it is printed; `explain` and `policy` know every domain of the table. */
function invitations(log: readonly LogFields[]): readonly string[] {
  return [
    'explain stripped.test --connect',
    'explain vanished.test --connect',
    `trace ${storyOf(log, 'wrong-name.test').queueId}`,
    'policy show vanished.test',
    'queue list',
  ]
}

function commandPath(): string {
  const path = fileURLToPath(new URL('../../hermetic', import.meta.url))
  const near = relative(process.cwd(), path)
  return near.startsWith('..') ? path : `./${near}`
}

async function untilEnd(): Promise<void> {
  await new Promise<void>((resolve) => {
    interrupted.signal.addEventListener('abort', () => resolve())
    if (interrupted.signal.aborted) resolve()
    process.stdin.once(interactive ? 'data' : 'end', resolve).resume()
    process.stdin.once('end', resolve)
  })
  process.stdin.pause()
}

function has(log: readonly LogFields[], event: string): boolean {
  return log.some((line) => line['event'] === event)
}

async function until(condition: () => boolean, patienceMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + patienceMs
  while (!condition()) {
    if (performance.now() > giveUpAt) return false
    await pause(POLL_MS)
  }
  return true
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}
