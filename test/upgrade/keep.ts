/**
 * Keeps a relay of this version for `test/scenarios/upgrade.test.ts`: run it before the schema of a store changes.
 *
 *   ./tools/node test/upgrade/keep.ts NAME
 *   ENGINE_OF_TEST=redis ./tools/node test/upgrade/keep.ts NAME
 */
import { createHash } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'
import { testEngine } from '../lab/engine-of-test.ts'
import { ScriptedMx } from '../lab/scripted-mx.ts'
import { WholeRelay } from '../lab/whole-relay.ts'
import { type KeptMail, keep } from './kept-relay.ts'
import { recordsOf, settingsOf } from './world.ts'

/** The kept mail is to be delivered for as long as there is this test. */
const HUNDRED_YEARS_MS = 100 * 365 * 86_400_000
const TAKEN = 'taken@example.test'

const [name] = process.argv.slice(2)
if (name === undefined || !/^[a-z0-9-]+$/.test(name)) {
  process.stderr.write('usage: keep.ts NAME, with small letters, digits and hyphens\n')
  process.exit(2)
}
const engine = testEngine()
const directory = await mkdtemp(join(tmpdir(), 'keep-'))
const dataDir = join(directory, 'data')
const mx = await ScriptedMx.start({
  script: { RCPT: ({ recipient }) => (recipient === TAKEN ? undefined : '450 4.2.0 later') },
})
const mails = await relayOfToday()
await mx[Symbol.asyncDispose]()
const about = `the engine ${engine}, kept on ${new Date().toISOString().slice(0, 10)}`
process.stdout.write(`kept ${mails.length} messages in ${await keep(name, { dataDir, engine, about, mails })}\n`)
await rm(directory, { recursive: true, force: true })
process.exit(0)

async function relayOfToday(): Promise<readonly KeptMail[]> {
  await using relay = await WholeRelay.start({
    settings: settingsOf(dataDir, mx.port),
    records: recordsOf(mx),
    configured: (config) => ({
      ...config,
      delivery: { ...config.delivery, max_age: HUNDRED_YEARS_MS, delay_notice: 0 },
    }),
  })
  const line = (text: string) => `Subject: kept\r\nFrom: <app@sender.test>\r\n\r\n${text}\r\n`
  const waiting = await submit(relay, { to: ['bob@example.test'], content: line('waits') })
  const asked = ['carol@example.test NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;carol@example.test']
  const notified = await submit(relay, { to: asked, mail: 'RET=HDRS ENVID=kept', content: line('DSN') })
  const partly = await submit(relay, { to: [TAKEN, 'dave@example.test'], content: line('partly delivered') })
  const large = await submit(relay, { to: ['erin@example.test'], content: line(`${'x'.repeat(76)}\r\n`.repeat(4_000)) })
  const abroad = { to: ['jürgen@example.test'], mail: 'SMTPUTF8', content: line('international') }
  const international = await submit(relay, abroad)
  const held = await submit(relay, { to: ['frank@example.test'], content: line('held') })
  await relay.until(() => new Set(relay.eventsOf('message-settled').map(({ id }) => id)).size === 6)
  using terminal = new TerminalLab()
  const { code, err } = await terminal.run('queue', 'hold', held.id, '--config', relay.file)
  if (code !== 0) throw new Error(err)
  return [
    waiting,
    notified,
    { ...partly, waiting: ['dave@example.test'] },
    large,
    international,
    { ...held, held: true },
  ]
}

interface Submitted {
  readonly to: readonly string[]
  readonly mail?: string
  readonly content: string
}

async function submit(relay: WholeRelay, { to, mail = '', content }: Submitted): Promise<KeptMail> {
  const client = await relay.greeted()
  await client.command(`MAIL FROM:<app@sender.test> ${mail}`.trim())
  for (const recipient of to) {
    const [address = '', ...parameters] = recipient.split(' ')
    await client.command([`RCPT TO:<${address}>`, ...parameters].join(' '))
  }
  await client.command('DATA')
  client.send(`${content}.\r\n`)
  const reply = await client.reply()
  await client.quit()
  const [, id] = /queued as (\S+)/.exec(reply?.text ?? '') ?? []
  if (id === undefined) throw new Error(`not queued: ${reply?.text}`)
  const contentSha256 = createHash('sha256').update(content).digest('hex')
  return { id, waiting: to.map((one) => one.split(' ')[0] ?? ''), held: false, contentSha256 }
}
