/** `hermetic credential …`: the logins in `data_dir/credentials.json`, which the running relay reads at once. */
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { suggestion } from '../config/suggestion.ts'
import { makeDurableDirectory } from '../spool/durable-file.ts'
import type { AccountTerms } from '../submission/account.ts'
import {
  type CredentialRecord,
  credentialProblem,
  generateCredential,
  readCredentialFile,
  removeCredential,
  writeCredential,
} from '../submission/credential-file.ts'
import { PRIORITY_MAX, PRIORITY_MIN, parsePriority } from '../submission/priority.ts'
import { configuredCredentials } from '../wiring/configured-credentials.ts'
import { CREDENTIALS_NAME } from '../wiring/relay-options.ts'
import { readArguments } from './arguments.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { formatTable } from './table.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const SUBVERBS = ['add', 'list', 'remove'] as const

const ADD_OPTIONS = {
  sender: { type: 'string', multiple: true },
  'any-from': { type: 'boolean', default: false },
  'message-rate': { type: 'string' },
  'recipient-rate': { type: 'string' },
  tag: { type: 'string' },
  'dkim-domain': { type: 'string' },
  priority: { type: 'string' },
  'max-priority': { type: 'string' },
  print: { type: 'boolean', default: false },
} as const
const ADD_NAMES = Object.keys(ADD_OPTIONS) as readonly (keyof typeof ADD_OPTIONS)[]

/** The terms of a login as the configuration calls them. */
const SETTING_NAMES = {
  allowedSenders: 'allowed_senders',
  checkFrom: 'check_from',
  messageRate: 'message_rate',
  recipientRate: 'recipient_rate',
  tag: 'tag',
  dkimDomain: 'dkim_domain',
  priority: 'priority',
  maxPriority: 'max_priority',
} as const satisfies Record<keyof AccountTerms, string>

export const credential: Verb = {
  summary: 'add, list and remove logins',
  help: `Usage: hermetic credential add    USERNAME [--sender PATTERN]… [options]
       hermetic credential list   [--json]
       hermetic credential remove USERNAME

add makes a secret of 160 random bits, shows it once, and keeps only what verifies it in data_dir/credentials.json; an
existing login of that name gets a new secret. The running relay knows it within a second. Applications can use it with
PLAIN and LOGIN, and with SCRAM-SHA-256 once every login can.

  --sender PATTERN       addresses that this login may use as reverse-path, and in From and Sender: app@example.com,
                         bounce+*@example.com, @example.com for a domain, @*.example.com for all domains below; may be
                         repeated; without it any
  --any-from             the patterns count for the reverse-path only
  --message-rate RATE    messages in a time, e.g. 1000/1h; more are answered 450
  --recipient-rate RATE  the same for recipients
  --tag NAME             a name for its mail, for views and metrics
  --dkim-domain DOMAIN   whose keys sign its mail when there are none for the domain in From
  --priority N           RFC 6710, -9 to 9: of mail that does not ask for one
  --max-priority N       the highest that it may ask for
  --print                change no file: print a [[credential]] table for hermetic.toml instead
  --config FILE          read this configuration file

Examples:
  hermetic credential add shop --sender @shop.example.com
  hermetic credential list
`,
  async run([name, ...args], terminal) {
    const subverb = SUBVERBS.find((known) => known === name)
    if (subverb === undefined) throw new UsageError(unknownSubverb(name))
    const options = {
      ...CONFIG_OPTION,
      ...ADD_OPTIONS,
      json: { type: 'boolean', default: false },
    } as const
    const words = subverb === 'list' ? { min: 0, max: 0, name: 'words' } : { min: 1, max: 1, name: 'user name' }
    const { values, positionals } = readArguments(args, options, words)
    const foreign = subverb === 'add' ? undefined : ADD_NAMES.find((option) => isGiven(values[option]))
    if (foreign !== undefined) throw new UsageError(`--${foreign} belongs to credential add`)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const [username = ''] = positionals
    switch (subverb) {
      case 'add':
        return add({ username, terms: termsOf(values), print: values.print }, settings.config, terminal)
      case 'list':
        return list(settings.config, terminal, values.json)
      case 'remove':
        return remove(username, settings.config, terminal)
    }
  },
}

function unknownSubverb(name: string | undefined): string {
  const near = name === undefined ? undefined : suggestion(name, SUBVERBS)
  return near === undefined ? `write one of: ${SUBVERBS.join(', ')}` : `did you mean credential ${near}?`
}

interface TermWords {
  readonly sender?: readonly string[] | undefined
  readonly 'any-from': boolean
  readonly 'message-rate'?: string | undefined
  readonly 'recipient-rate'?: string | undefined
  readonly tag?: string | undefined
  readonly 'dkim-domain'?: string | undefined
  readonly priority?: string | undefined
  readonly 'max-priority'?: string | undefined
}

function termsOf(words: TermWords): AccountTerms {
  const { sender, tag, 'dkim-domain': dkimDomain, 'message-rate': messages, 'recipient-rate': recipients } = words
  const priority = levelOf(words.priority, '--priority')
  const maxPriority = levelOf(words['max-priority'], '--max-priority')
  return {
    ...(sender === undefined ? {} : { allowedSenders: sender }),
    ...(words['any-from'] ? { checkFrom: false } : {}),
    ...(messages === undefined ? {} : { messageRate: messages }),
    ...(recipients === undefined ? {} : { recipientRate: recipients }),
    ...(tag === undefined ? {} : { tag }),
    ...(dkimDomain === undefined ? {} : { dkimDomain }),
    ...(priority === undefined ? {} : { priority }),
    ...(maxPriority === undefined ? {} : { maxPriority }),
  }
}

function levelOf(text: string | undefined, option: string): number | undefined {
  if (text === undefined) return undefined
  const level = parsePriority(text)
  if (level === undefined) throw new UsageError(`${option} is a whole number from ${PRIORITY_MIN} to ${PRIORITY_MAX}`)
  return level
}

function isGiven(value: unknown): boolean {
  return value !== undefined && value !== false
}

interface NewLogin {
  readonly username: string
  readonly terms: AccountTerms
  readonly print: boolean
}

async function add({ username, terms, print }: NewLogin, config: Config, terminal: Terminal): Promise<number> {
  const { secret, record } = generateCredential(username, terms)
  const problem = credentialProblem(record)
  if (problem !== undefined) throw new UsageError(problem)
  if (config.credential.some((fixed) => fixed.username === username)) {
    throw new UserError(
      `${username} is in the configuration, which wins over the file; choose another name, or change it there`,
    )
  }
  if (print) {
    terminal.err('Put this into hermetic.toml, and the secret into the application. It is not kept anywhere.\n')
    terminal.out(`${tomlTable(record)}`)
    terminal.err(`\nsecret: ${secret}\n`)
    return EXIT.done
  }
  await makeDurableDirectory(config.data_dir, {})
  const written = await writeCredential(join(config.data_dir, CREDENTIALS_NAME), record)
  if (!written.ok) throw new UserError(`${join(config.data_dir, CREDENTIALS_NAME)}: ${written.error}`)
  terminal.err(`${username} was ${written.value}. The secret is shown once and not kept:\n`)
  terminal.out(`username: ${username}\nsecret:   ${secret}\n`)
  return EXIT.done
}

function tomlTable({ username, secretHash, ...terms }: CredentialRecord): string {
  const rows = Object.entries(SETTING_NAMES).flatMap(([term, setting]) => {
    const value = terms[term as keyof AccountTerms]
    return value === undefined ? [] : [`${setting} = ${JSON.stringify(value)}\n`]
  })
  return `[[credential]]\nusername = ${JSON.stringify(username)}\nsecret_hash = "${secretHash}"\n${rows.join('')}`
}

async function list(config: Config, terminal: Terminal, json: boolean): Promise<number> {
  const file = join(config.data_dir, CREDENTIALS_NAME)
  const records = await readCredentialFile(file)
  if (!records.ok) throw new UserError(`${file}: ${records.error}`)
  const rows = [
    ...configuredCredentials(config).map((record) => rowOf(record, 'configuration')),
    ...records.value.map((record) => rowOf(record, CREDENTIALS_NAME)),
  ]
  if (json) terminal.out(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  else if (rows.length === 0) terminal.out('There are no logins. hermetic credential add NAME makes one.\n')
  else {
    const columns = [{ title: 'USERNAME' }, { title: 'KEPT IN' }, { title: 'TERMS' }, { title: 'MAY SEND AS' }]
    const cells = rows.map(({ username, from, senders, terms }) => {
      const words = Object.entries(terms).map(([term, value]) => `${term} ${value}`)
      return [username, from, words.join(', ') || '-', senders.join(', ') || 'anybody']
    })
    terminal.out(formatTable(columns, cells, terminal.columns))
  }
  return EXIT.done
}

interface LoginRow {
  readonly username: string
  readonly senders: readonly string[]
  readonly from: string
  /** What is not as it is without being said, by the names of the settings. */
  readonly terms: Readonly<Record<string, unknown>>
}

function rowOf({ username, allowedSenders: senders = [], ...record }: CredentialRecord, from: string): LoginRow {
  const terms: Record<string, unknown> = {}
  for (const [term, setting] of Object.entries(SETTING_NAMES)) {
    const value = term === 'allowedSenders' ? undefined : record[term as keyof typeof record]
    if (value !== undefined && !isUsual(term, value)) terms[setting] = value
  }
  return { username, senders, from, terms }
}

function isUsual(term: string, value: unknown): boolean {
  return (term === 'checkFrom' && value === true) || (term === 'priority' && value === 0)
}

async function remove(username: string, config: Config, terminal: Terminal): Promise<number> {
  const file = join(config.data_dir, CREDENTIALS_NAME)
  const removed = await removeCredential(file, username)
  if (!removed.ok) throw new UserError(`${file}: ${removed.error}`)
  if (removed.value === 'removed') {
    terminal.out(`${username} was removed; it cannot log in any more.\n`)
    return EXIT.done
  }
  const fixed = config.credential.some((known) => known.username === username)
  terminal.err(fixed ? `${username} is in the configuration; remove it there.\n` : `There is no login ${username}.\n`)
  return EXIT.failed
}
