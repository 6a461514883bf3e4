/** `hermetic api …`: who may use the control API, and what was ordered over it. */
import { join } from 'node:path'
import type { OrderRole } from '../admin/control-order.ts'
import { AUDIT_NAME } from '../api/audit.ts'
import { auditText, readAudit } from '../api/audit-reading.ts'
import { addToken, generateApiToken, isTokenName, readTokenFile, removeToken } from '../api/token-file.ts'
import type { Config } from '../config/schema.ts'
import { readArguments } from './arguments.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { formatTable } from './table.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const OPTIONS = {
  ...CONFIG_OPTION,
  role: { type: 'string' },
  json: { type: 'boolean', default: false },
  limit: { type: 'string', default: '50' },
} as const

const AUDIT_SHOWN_MAX = 100_000

export const api: Verb = {
  summary: 'who may use the control API, and what was ordered over it',
  help: `Usage: hermetic api token add    NAME [--role read|operate]
       hermetic api token list   [--json]
       hermetic api token remove NAME
       hermetic api audit [--limit N] [--json]

The API is served where [api] listen and token_file are set (docs/operating/api.md). add makes a secret of 160 random
bits, shows it once, and keeps its SHA-256 in token_file; the running relay knows it within a second, and refuses a removed
one within a second. audit shows the last orders of this data_dir: when, who, from where, what, and what came of it.

  --role ROLE    read (the default) only looks; operate may order too
  --limit N      the newest N orders; 50 by default
  --json         one JSON object a line
  --config FILE  read this configuration file

Examples:
  hermetic api token add dashboard
  curl -H "Authorization: Bearer $SECRET" http://127.0.0.1:9126/api/v1/status
`,
  async run([name, ...args], terminal) {
    if (name === 'audit') return audit(args, terminal)
    if (name !== 'token') throw new UsageError('write api token or api audit')
    const [verb, ...rest] = args
    if (verb !== 'add' && verb !== 'list' && verb !== 'remove') throw new UsageError('write add, list or remove')
    const words = verb === 'list' ? { min: 0, max: 0, name: 'words' } : { min: 1, max: 1, name: 'name of a token' }
    const { values, positionals } = readArguments(rest, OPTIONS, words)
    const settings = readSettings(values.config, terminal)
    if (settings === undefined) return EXIT.configuration
    const path = settings.config.api.token_file
    if (path === undefined)
      throw new UserError('there is no token file; write token_file = "./api-tokens.json" in [api]')
    const [token = ''] = positionals
    switch (verb) {
      case 'add':
        return add({ path, name: token, role: roleOf(values.role) }, terminal)
      case 'list':
        return list(path, terminal, values.json)
      case 'remove':
        return remove(path, token, terminal)
    }
  },
}

function roleOf(text = 'read'): OrderRole {
  if (text !== 'read' && text !== 'operate') throw new UsageError('--role is read or operate')
  return text
}

interface NewToken {
  readonly path: string
  readonly name: string
  readonly role: OrderRole
}

async function add({ path, name, role }: NewToken, terminal: Terminal): Promise<number> {
  if (!isTokenName(name)) throw new UsageError('a name has 1 to 64 letters, digits, . _ @ and -')
  const { secret, record } = generateApiToken(name, { role, now: terminal.now() })
  const added = await addToken(path, record)
  if (!added.ok) throw new UserError(`${path}: ${added.error}`)
  if (added.value === 'taken') throw new UserError(`there is a token ${name}; remove it first, or choose another name`)
  if (added.value === 'full') throw new UserError(`${path} has as many tokens as it may have; remove some`)
  terminal.err(`${name} was added with the role ${role}. The secret is shown once and not kept:\n`)
  terminal.out(`${secret}\n`)
  return EXIT.done
}

async function list(path: string, terminal: Terminal, json: boolean): Promise<number> {
  const tokens = await readTokenFile(path)
  if (!tokens.ok) throw new UserError(`${path}: ${tokens.error}`)
  const rows = tokens.value.map(({ name, role, created }) => ({ name, role, created }))
  if (json) terminal.out(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  else if (rows.length === 0) terminal.out('There are no tokens. hermetic api token add NAME makes one.\n')
  else {
    const columns = [{ title: 'NAME' }, { title: 'ROLE' }, { title: 'CREATED' }]
    terminal.out(
      formatTable(
        columns,
        rows.map(({ name, role, created }) => [name, role, created]),
        terminal.columns,
      ),
    )
  }
  return EXIT.done
}

async function remove(path: string, name: string, terminal: Terminal): Promise<number> {
  const removed = await removeToken(path, name)
  if (!removed.ok) throw new UserError(`${path}: ${removed.error}`)
  if (removed.value === 'absent') {
    terminal.err(`There is no token ${name}.\n`)
    return EXIT.failed
  }
  terminal.out(`${name} was removed; it is refused within a second.\n`)
  return EXIT.done
}

async function audit(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = readArguments(args, OPTIONS)
  const limit = Number(values.limit)
  if (!Number.isInteger(limit) || limit < 1 || limit > AUDIT_SHOWN_MAX) {
    throw new UsageError(`--limit is a number from 1 to ${AUDIT_SHOWN_MAX}`)
  }
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return EXIT.configuration
  const { data_dir: dataDir }: Pick<Config, 'data_dir'> = settings.config
  const orders = (await readAudit(join(dataDir, AUDIT_NAME))).slice(-limit)
  if (values.json) terminal.out(orders.map((order) => `${JSON.stringify(order)}\n`).join(''))
  else if (orders.length === 0) terminal.out('Nothing was ordered over the API of this data_dir.\n')
  else terminal.out(auditText(orders, (columns, rows) => formatTable(columns, rows, terminal.columns)))
  return EXIT.done
}
