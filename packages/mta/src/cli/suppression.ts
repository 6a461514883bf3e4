/** `hermetic suppression …`: addresses that get no mail, because servers refused it for good or an operator says so. */
import { PAGE_MAX } from '../admin/control-protocol.ts'
import { SUPPRESSION_OFF, SUPPRESSION_REASON_MAX, type SuppressionAdmin } from '../admin/suppression-orders.ts'
import { parseDuration } from '../config/quantity.ts'
import type { Config } from '../config/schema.ts'
import { suggestion } from '../config/suggestion.ts'
import { parseMailbox } from '../submission/address.ts'
import { type Suppressed, type SuppressionKey, suppressionKey } from '../suppression/suppression-list.ts'
import { readArguments } from './arguments.ts'
import { openSuppression } from './open-suppression.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { formatAge, formatTable } from './table.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const SUBVERBS = ['list', 'add', 'remove'] as const
type Subverb = (typeof SUBVERBS)[number]

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', default: false },
  for: { type: 'string' },
  reason: { type: 'string' },
} as const

export const suppression: Verb = {
  summary: 'addresses that get no mail because they refused it for good',
  help: `Usage: hermetic suppression list              [--json]
       hermetic suppression add    ADDRESS… [--for DURATION] [--reason TEXT]
       hermetic suppression remove ADDRESS…

Shows and changes the list that [suppression] keeps: a recipient on it is refused at RCPT (550 5.7.1), and mail that was
accepted before comes back at once. Talks to the running relay; when none runs, opens the list itself.

  --for DURATION  how long, e.g. 90d; without it as long as [suppression] expiry says
  --reason TEXT   a word for whoever reads the list
  --json          one JSON object a line
  --config FILE   read this configuration file

Examples:
  hermetic suppression list
  hermetic suppression remove jane@example.com
  hermetic suppression list --json | jq -r 'select(.by == "bounces") | .address'
`,
  async run([name, ...args], terminal) {
    const subverb = subverbOf(name)
    const { values, positionals } = readArguments(args, OPTIONS, { min: 0, max: 1_000, name: 'addresses' })
    if (subverb === 'list' && positionals.length > 0) throw new UsageError('suppression list takes no addresses')
    if (subverb !== 'list' && positionals.length === 0)
      throw new UsageError(`write which: suppression ${subverb} ADDRESS`)
    if (subverb !== 'list' && values.json) throw new UsageError('--json belongs to suppression list')
    if (subverb !== 'add' && (values.for !== undefined || values.reason !== undefined))
      throw new UsageError('--for and --reason belong to suppression add')
    const addresses = positionals.map(addressOf)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    if (!settings.config.suppression.enabled) throw new UserError(SUPPRESSION_OFF)
    const opened = await openSuppression(settings.config)
    if (opened.by === 'store') terminal.err('No relay runs here; opening the list itself.\n')
    const { list } = opened
    try {
      switch (subverb) {
        case 'list':
          return await show(list, terminal, values.json)
        case 'add':
          return await add(list, addresses, { ...wishOf(values, settings.config, terminal), terminal })
        case 'remove':
          return await remove(list, addresses, terminal)
      }
    } finally {
      opened.close()
    }
  },
}

function subverbOf(name: string | undefined): Subverb {
  const found = SUBVERBS.find((known) => known === name)
  if (found !== undefined) return found
  const near = name === undefined ? undefined : suggestion(name, SUBVERBS)
  throw new UsageError(
    near === undefined ? `write one of: ${SUBVERBS.join(', ')}` : `did you mean suppression ${near}?`,
  )
}

function addressOf(text: string): SuppressionKey {
  const address = parseMailbox(text.replace(/^<(.*)>$/, '$1'))
  if (!address.ok) throw new UsageError(`${JSON.stringify(text)} is not a mail address`)
  return suppressionKey(address.value)
}

interface Wish {
  readonly until: number
  readonly reason?: string
}

function wishOf(
  { for: text, reason }: { readonly for?: string | undefined; readonly reason?: string | undefined },
  { suppression: { expiry } }: Config,
  terminal: Terminal,
): Wish {
  const duration = text === undefined ? undefined : parseDuration(text)
  if (duration?.ok === false || duration?.value === 0) throw new UsageError('--for is a duration, e.g. 90d or 12h')
  if (reason !== undefined && reason.length > SUPPRESSION_REASON_MAX)
    throw new UsageError(`--reason has at most ${SUPPRESSION_REASON_MAX} characters`)
  return { until: terminal.now() + (duration?.value ?? expiry), ...(reason === undefined ? {} : { reason }) }
}

async function show(list: SuppressionAdmin, terminal: Terminal, json: boolean): Promise<number> {
  const shown: Suppressed[] = []
  for await (const page of pages(list)) {
    if (json) terminal.out(page.map((entry) => `${jsonOf(entry)}\n`).join(''))
    else shown.push(...page)
  }
  if (json) return EXIT.done
  if (shown.length === 0) terminal.out('No address is suppressed.\n')
  else {
    const now = terminal.now()
    const columns = [{ title: 'ADDRESS' }, { title: 'FOR' }, { title: 'BY' }, { title: 'WHY' }]
    const rows = shown.map(({ address, until, by, status, reason }) => {
      return [address, formatAge(until - now), by, reason ?? status ?? '-']
    })
    terminal.out(formatTable(columns, rows, terminal.columns))
  }
  return EXIT.done
}

function jsonOf({ address, since, until, by, status, reason }: Suppressed): string {
  const times = { since: new Date(since).toISOString(), until: new Date(until).toISOString() }
  return JSON.stringify({ address, by, ...times, status, reason })
}

async function* pages(list: SuppressionAdmin): AsyncGenerator<readonly Suppressed[]> {
  let after: SuppressionKey | undefined
  for (;;) {
    const page = await list.list(after === undefined ? { limit: PAGE_MAX } : { after, limit: PAGE_MAX })
    if (page.length > 0) yield page
    after = page.at(-1)?.address
    if (page.length < PAGE_MAX) return
  }
}

async function add(
  list: SuppressionAdmin,
  addresses: readonly SuppressionKey[],
  { terminal, ...wish }: Wish & { readonly terminal: Terminal },
): Promise<number> {
  for (const address of addresses) {
    if ((await list.add({ address, ...wish })) === 'added') continue
    terminal.err(
      `${address}: the list is full of what operators wrote; remove some, or raise [suppression] max_entries\n`,
    )
    return EXIT.failed
  }
  const until = new Date(wish.until).toISOString().slice(0, 10)
  terminal.out(`${addresses.join(', ')}: suppressed until ${until}.\n`)
  return EXIT.done
}

async function remove(
  list: SuppressionAdmin,
  addresses: readonly SuppressionKey[],
  terminal: Terminal,
): Promise<number> {
  let missing = 0
  for (const address of addresses) {
    if (await list.remove(address)) terminal.out(`${address} gets mail again.\n`)
    else {
      missing += 1
      terminal.err(`${address} was not suppressed.\n`)
    }
  }
  return missing === 0 ? EXIT.done : EXIT.failed
}
