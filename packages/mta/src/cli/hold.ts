/** `hermetic hold …`: rules that keep mail back until they are removed, or their time is over. */
import { randomBytes } from 'node:crypto'
import { parseDuration } from '../config/quantity.ts'
import { suggestion } from '../config/suggestion.ts'
import { HOLD_REASON_MAX, HOLD_RULES_MAX, type HoldRule, isOver, RULE_ID, ruleWords } from '../holds/hold-rule.ts'
import type { HoldWish } from '../holds/hold-rules.ts'
import { isTag } from '../submission/tag-field.ts'
import { readArguments } from './arguments.ts'
import { type OpenedQueue, openQueue } from './open-queue.ts'
import { changeQueue } from './queue-change.ts'
import { domainOf, senderOf } from './queue-filter.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { formatAge, formatTable } from './table.ts'
import { tryHint } from './try-directory.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const SUBVERBS = ['list', 'add', 'remove'] as const
type Subverb = (typeof SUBVERBS)[number]

const OPTIONS = {
  ...CONFIG_OPTION,
  json: { type: 'boolean', default: false },
  domain: { type: 'string' },
  sender: { type: 'string' },
  credential: { type: 'string' },
  tag: { type: 'string' },
  reason: { type: 'string' },
  for: { type: 'string' },
  yes: { type: 'boolean', default: false },
} as const

interface Words {
  readonly json: boolean
  readonly yes: boolean
  readonly domain?: string | undefined
  readonly sender?: string | undefined
  readonly credential?: string | undefined
  readonly tag?: string | undefined
  readonly reason?: string | undefined
  readonly for?: string | undefined
}

export const hold: Verb = {
  summary: 'rules that keep mail back: to a domain, from a sender, by a login, with a tag',
  help: `Usage: hermetic hold list   [--json]
       hermetic hold add    [--domain DOMAIN] [--sender ADDRESS|DOMAIN] [--credential NAME] [--tag TAG]
                            [--reason TEXT] [--for DURATION] [--json]
       hermetic hold remove RULE [--yes] [--json]

Mail that a rule means is accepted and waits; what waits already is held when its turn comes. A rule holds on all relays
of the queue and after restarts, until it is removed or its time is over: then what it held, and nothing else, is queued
again. One message, or many once: hermetic queue hold.

  --domain DOMAIN      recipients in this domain; "*.example.com" for all below one
  --sender ADDRESS     the reverse-path, or the domain of it; "<>" for notifications
  --credential NAME    what came with this login
  --tag TAG            as the message or its login was tagged
                       (of several all must fit)
  --reason TEXT        a word for whoever asks why
  --for DURATION       e.g. 2h or 3d; without it until it is removed
  --yes                remove it: without, what it holds is only counted
  --json               one JSON object a line
  --config FILE        read this configuration file

Examples:
  hermetic hold add --domain example.com --reason "their server eats mail" --for 4h
  hermetic hold add --credential shop --reason "sends spam since noon"
  hermetic queue list --rule 1f2e3d4c
  hermetic hold remove 1f2e3d4c --yes
`,
  async run([name, ...args], terminal) {
    const subverb = subverbOf(name)
    const { values, positionals } = readArguments(args, OPTIONS, { min: 0, max: 1, name: 'rules' })
    checkWords(subverb, values, positionals)
    const wish = subverb === 'add' ? wishOf(values, terminal) : undefined
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const opened = await openQueue(settings.config)
    if (opened === undefined) {
      terminal.err(`There is no queue in ${settings.config.data_dir} yet: the relay has not run here.\n`)
      terminal.err(tryHint(settings.config, `hold ${subverb}`))
      return subverb === 'list' ? EXIT.done : EXIT.failed
    }
    if (opened.by !== 'relay') terminal.err('No relay runs here; opening the queue itself.\n')
    try {
      if (wish !== undefined) return await add(wish, { opened, terminal, json: values.json })
      const [id] = positionals
      if (id === undefined) return await show({ opened, terminal, json: values.json })
      return await remove(id, values, { opened, terminal, json: values.json })
    } finally {
      await opened.close()
    }
  },
}

function subverbOf(name: string | undefined): Subverb {
  const found = SUBVERBS.find((known) => known === name)
  if (found !== undefined) return found
  const near = name === undefined ? undefined : suggestion(name, SUBVERBS)
  throw new UsageError(near === undefined ? `write one of: ${SUBVERBS.join(', ')}` : `did you mean hold ${near}?`)
}

function checkWords(subverb: Subverb, { yes, json: _, ...words }: Words, rules: readonly string[]): void {
  const wish = (['domain', 'sender', 'credential', 'tag', 'reason', 'for'] as const).find(
    (word) => words[word] !== undefined,
  )
  if (subverb !== 'add' && wish !== undefined) throw new UsageError(`--${wish} belongs to hold add`)
  if (subverb !== 'remove' && yes) throw new UsageError('--yes belongs to hold remove')
  if (subverb !== 'remove' && rules.length > 0) throw new UsageError(`hold ${subverb} takes no rule`)
  const [rule] = rules
  if (subverb === 'remove' && rule === undefined)
    throw new UsageError('write which: hold remove RULE; hermetic hold list shows them')
  if (rule !== undefined && !RULE_ID.test(rule))
    throw new UsageError(`${JSON.stringify(rule)} is not a rule; hermetic hold list shows them`)
}

function wishOf({ domain, sender, credential, tag, reason, for: text }: Words, terminal: Terminal): HoldWish {
  if ([domain, sender, credential, tag].every((word) => word === undefined))
    throw new UsageError('write whose mail: --domain, --sender, --credential or --tag')
  if (tag !== undefined && !isTag(tag)) throw new UsageError(`--tag ${tag} is not 1 to 64 letters, digits, . _ or -`)
  if (credential === '') throw new UsageError('--credential is the name of a login')
  if (reason !== undefined && reason.length > HOLD_REASON_MAX)
    throw new UsageError(`--reason has at most ${HOLD_REASON_MAX} characters`)
  const duration = text === undefined ? undefined : parseDuration(text)
  if (duration?.ok === false || duration?.value === 0) throw new UsageError('--for is a duration, e.g. 2h or 3d')
  return {
    id: randomBytes(4).toString('hex'),
    ...(domain === undefined ? {} : { domain: patternOf(domain) }),
    ...(sender === undefined ? {} : { sender: senderOrDomain(sender) }),
    ...(credential === undefined ? {} : { credential }),
    ...(tag === undefined ? {} : { tag }),
    reason: reason === undefined || reason === '' ? 'held by a rule of an operator' : reason,
    ...(duration === undefined ? {} : { until: terminal.now() + duration.value }),
  }
}

function patternOf(text: string): string {
  return text.startsWith('*.') ? `*.${domainOf(text.slice(2))}` : domainOf(text)
}

function senderOrDomain(text: string): string {
  if (text === '' || text === '<>' || text.includes('@')) return senderOf(text)
  try {
    return patternOf(text)
  } catch {
    throw new UsageError(`--sender ${text} is neither a mail address nor a domain`)
  }
}

interface Work {
  readonly opened: OpenedQueue
  readonly terminal: Terminal
  readonly json: boolean
}

async function add(wish: HoldWish, { opened: { holds }, terminal, json }: Work): Promise<number> {
  if ((await holds.add(wish)) === 'full') {
    terminal.err(`There are ${HOLD_RULES_MAX} rules already; remove some.\n`)
    return EXIT.failed
  }
  const until = wish.until === undefined ? '' : ` until ${new Date(wish.until).toISOString()}`
  if (json) terminal.out(`${JSON.stringify(wish)}\n`)
  else terminal.out(`Rule ${wish.id} holds mail ${ruleWords({ ...wish, since: 0 })}${until}: ${wish.reason}\n`)
  return EXIT.done
}

async function show({ opened: { holds }, terminal, json }: Work): Promise<number> {
  const rules = await holds.list()
  if (json) {
    terminal.out(rules.map((rule) => `${JSON.stringify(rule)}\n`).join(''))
    return EXIT.done
  }
  if (rules.length === 0) terminal.out('No rule holds mail.\n')
  else {
    const now = terminal.now()
    const columns = [{ title: 'RULE' }, { title: 'MAIL' }, { title: 'SINCE' }, { title: 'ENDS' }, { title: 'WHY' }]
    const rows = rules.map((rule) => [
      ...[rule.id, ruleWords(rule), formatAge(now - rule.since), endOf(rule, now), rule.reason],
    ])
    terminal.out(formatTable(columns, rows, terminal.columns))
  }
  return EXIT.done
}

function endOf(rule: HoldRule, now: number): string {
  if (isOver(rule, now)) return 'over: releasing'
  return rule.until === undefined ? '-' : `in ${formatAge(rule.until - now)}`
}

/** The rule goes first, so that nothing that is released is held again. */
async function remove(id: string, { yes }: Words, { opened, terminal, json }: Work): Promise<number> {
  const { holds, queue } = opened
  const rule = (await holds.list()).find((one) => one.id === id)
  if (rule === undefined) throw new UserError(`there is no rule ${id}; hermetic hold list shows all`)
  if (yes) await holds.remove(id)
  return changeQueue(
    { ids: [], action: { kind: 'release', rule: id }, filter: { rule: id }, json, yes },
    queue,
    terminal,
  )
}
