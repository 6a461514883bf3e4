/** `hermetic credential …`: the logins in `data_dir/credentials.json`, which the running relay reads at once. */
import { join } from 'node:path'
import type { Config } from '../config/schema.ts'
import { suggestion } from '../config/suggestion.ts'
import { makeDurableDirectory } from '../spool/durable-file.ts'
import {
  type CredentialRecord,
  credentialProblem,
  generateCredential,
  readCredentialFile,
  removeCredential,
  writeCredential,
} from '../submission/credential-file.ts'
import { CREDENTIALS_NAME } from '../wiring/relay-options.ts'
import { readArguments } from './arguments.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { formatTable } from './table.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const SUBVERBS = ['add', 'list', 'remove'] as const

export const credential: Verb = {
  summary: 'add, list and remove logins',
  help: `Usage: hermetic credential add    USERNAME [--sender PATTERN]… [--print]
       hermetic credential list   [--json]
       hermetic credential remove USERNAME

add makes a secret of 160 random bits, shows it once, and keeps only its SHA-256 in data_dir/credentials.json; an
existing login of that name gets a new secret. The running relay knows it within a second.

  --sender PATTERN  reverse-paths that this login may use: app@example.com, or @example.com for a whole domain;
                    may be repeated; without it any
  --print           change no file: print a [[credential]] table for hermetic.toml instead
  --config FILE     read this configuration file

Examples:
  hermetic credential add shop --sender @shop.example.com
  hermetic credential list
`,
  async run([name, ...args], terminal) {
    const subverb = SUBVERBS.find((known) => known === name)
    if (subverb === undefined) throw new UsageError(unknownSubverb(name))
    const options = {
      ...CONFIG_OPTION,
      sender: { type: 'string', multiple: true },
      print: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    } as const
    const words = subverb === 'list' ? { min: 0, max: 0, name: 'words' } : { min: 1, max: 1, name: 'user name' }
    const { values, positionals } = readArguments(args, options, words)
    if (subverb !== 'add' && (values.sender !== undefined || values.print)) {
      throw new UsageError('--sender and --print belong to credential add')
    }
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const [username = ''] = positionals
    switch (subverb) {
      case 'add':
        return add({ username, senders: values.sender, print: values.print }, settings.config, terminal)
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

interface NewLogin {
  readonly username: string
  readonly senders: readonly string[] | undefined
  readonly print: boolean
}

async function add({ username, senders, print }: NewLogin, config: Config, terminal: Terminal): Promise<number> {
  const { secret, record } = generateCredential(username, senders)
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

function tomlTable({ username, secretHash, allowedSenders }: CredentialRecord): string {
  const senders = allowedSenders === undefined ? '' : `allowed_senders = ${JSON.stringify(allowedSenders)}\n`
  return `[[credential]]\nusername = ${JSON.stringify(username)}\nsecret_hash = "${secretHash}"\n${senders}`
}

async function list(config: Config, terminal: Terminal, json: boolean): Promise<number> {
  const file = join(config.data_dir, CREDENTIALS_NAME)
  const records = await readCredentialFile(file)
  if (!records.ok) throw new UserError(`${file}: ${records.error}`)
  const rows = [
    ...config.credential.map(({ username, allowed_senders }) => ({
      username,
      senders: allowed_senders,
      from: 'configuration',
    })),
    ...records.value.map(({ username, allowedSenders = [] }) => ({
      username,
      senders: allowedSenders,
      from: CREDENTIALS_NAME,
    })),
  ]
  if (json) terminal.out(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  else if (rows.length === 0) terminal.out('There are no logins. hermetic credential add NAME makes one.\n')
  else {
    const columns = [{ title: 'USERNAME' }, { title: 'FROM' }, { title: 'MAY SEND AS' }]
    const cells = rows.map(({ username, from, senders }) => [username, from, senders.join(', ') || 'anybody'])
    terminal.out(formatTable(columns, cells, terminal.columns))
  }
  return EXIT.done
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
