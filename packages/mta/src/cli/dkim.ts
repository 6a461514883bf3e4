/** `hermetic dkim …`: makes the keys that sign mail, prints what DNS must say, and compares what it does say. */
import { type DomainName, parseDomainName } from '@hermetic/policy'
import type { Config, DkimConfig } from '../config/schema.ts'
import { suggestion } from '../config/suggestion.ts'
import { describeSystemError, systemErrorCode } from '../config/system-error.ts'
import { generateKeyPem, KEY_TYPES, type KeyType } from '../signing/generate-key.ts'
import { keyFilePath, keyFileProblemText, readKeyFile, writeKeyFile } from '../signing/key-files.ts'
import { keyRecordName, keyRecordText, zoneLine } from '../signing/key-record.ts'
import { parseSigningKey, type SigningKey } from '../signing/signing-key.ts'
import { readArguments } from './arguments.ts'
import { checkKeyRecords } from './dkim-check.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const SUBVERBS = ['keygen', 'record', 'check'] as const

export const dkim: Verb = {
  summary: 'make keys that sign mail, print their DNS records, and check what is published',
  help: `Usage: hermetic dkim keygen DOMAIN SELECTOR [--type rsa|ed25519]
       hermetic dkim record [DOMAIN]
       hermetic dkim check  [DOMAIN]

  keygen   make a private key in dkim/ of data_dir, and print the record for DNS and the lines for hermetic.toml. Never
           writes over a key. Publish the record first, then add the lines and reload the relay
  record   print the records of the keys in the configuration, as lines of a zone file
  check    ask DNS for these records and compare them with the keys; exits with 1 when one does not fit

  --type TYPE      rsa (2048 bits, which everybody verifies; the default) or ed25519 (as a second key beside it)
  --config FILE    read this configuration file

Examples:
  hermetic dkim keygen example.com s1
  hermetic dkim check
`,
  async run([name, ...args], terminal) {
    switch (SUBVERBS.find((subverb) => subverb === name)) {
      case 'keygen':
        return keygen(args, terminal)
      case 'record':
        return record(args, terminal)
      case 'check':
        return check(args, terminal)
      case undefined:
        throw new UsageError(unknownSubverb(name))
    }
  },
}

function unknownSubverb(name: string | undefined): string {
  const near = name === undefined ? undefined : suggestion(name, SUBVERBS)
  return near === undefined ? `write one of: ${SUBVERBS.join(', ')}` : `did you mean dkim ${near}?`
}

const KEYGEN_OPTIONS = { ...CONFIG_OPTION, type: { type: 'string', default: 'rsa' } } as const
const SELECTOR = /^[a-z0-9](?:[a-z0-9.-]{0,198}[a-z0-9])?$/

async function keygen(args: readonly string[], terminal: Terminal): Promise<number> {
  const words = { min: 2, max: 2, name: 'domain and selector' }
  const { values, positionals } = readArguments(args, KEYGEN_OPTIONS, words)
  const [written = '', selector = ''] = positionals
  const domain = domainOf(written)
  const type = KEY_TYPES.find((known) => known === values.type)
  if (type === undefined) throw new UsageError(`--type is one of: ${KEY_TYPES.join(', ')}`)
  if (!SELECTOR.test(selector)) throw new UsageError('a selector has letters in lower case, digits, hyphens and dots')
  const settings = readSettings(values.config, terminal, { keys: 'to-be-made' })
  if (settings === undefined) return EXIT.configuration
  const path = keyFilePath(settings.config.data_dir, domain, selector)
  const key = await writeNewKey(path, type)
  terminal.err(`The private key is in ${path}.\n\nPublish this record in DNS:\n\n`)
  terminal.out(`${zoneLine(keyRecordName(domain, selector), keyRecordText(key))}\n`)
  terminal.err(`
When hermetic dkim check finds it, mail may be signed. Put this into hermetic.toml, then hermetic reload (the first key: restart the relay):

[[dkim]]
domain   = "${domain}"
selector = "${selector}"
`)
  return EXIT.done
}

async function writeNewKey(path: string, type: KeyType): Promise<SigningKey> {
  const pem = generateKeyPem(type)
  const key = parseSigningKey(pem)
  if (!key.ok) throw new Error(`a new ${type} key is ${key.error}`)
  try {
    await writeKeyFile(path, pem)
  } catch (error) {
    if (systemErrorCode(error) === 'EEXIST') {
      throw new UserError(`${path} is there already and is not replaced; choose another selector for a new key`)
    }
    throw new UserError(`${path} cannot be written: ${describeSystemError(error)}`)
  }
  return key.value
}

function record(args: readonly string[], terminal: Terminal): number {
  const chosen = chosenKeys(args, terminal)
  if (chosen === undefined) return EXIT.configuration
  for (const entry of chosen.entries) {
    terminal.out(`${zoneLine(keyRecordName(entry.domain, entry.selector), keyRecordText(keyOf(entry)))}\n`)
  }
  return EXIT.done
}

async function check(args: readonly string[], terminal: Terminal): Promise<number> {
  const chosen = chosenKeys(args, terminal)
  if (chosen === undefined) return EXIT.configuration
  const keys = chosen.entries.map((entry) => ({ ...entry, key: keyOf(entry) }))
  const { lines, fits } = await checkKeyRecords(keys, chosen.config.dns.servers)
  terminal.out(lines.map((line) => `${line}\n`).join(''))
  return fits ? EXIT.done : EXIT.failed
}

interface ChosenKeys {
  readonly config: Config
  readonly entries: readonly DkimConfig[]
}

function chosenKeys(args: readonly string[], terminal: Terminal): ChosenKeys | undefined {
  const { values, positionals } = readArguments(args, CONFIG_OPTION, { min: 0, max: 1, name: 'domain' })
  const domain = positionals[0] === undefined ? undefined : domainOf(positionals[0])
  const settings = readSettings(values.config, terminal)
  if (settings === undefined) return undefined
  const { config } = settings
  const entries = config.dkim.filter((entry) => domain === undefined || entry.domain === domain)
  if (entries.length > 0) return { config, entries }
  const which = domain === undefined ? 'no [[dkim]]' : `no [[dkim]] for ${domain}`
  throw new UserError(`there is ${which} in the configuration; hermetic dkim keygen DOMAIN SELECTOR makes a key`)
}

function keyOf({ key_file: path }: DkimConfig): SigningKey {
  const read = readKeyFile(path)
  if (!read.ok) throw new UserError(`${path} ${keyFileProblemText(read.error, describeSystemError)}`)
  return read.value.key
}

function domainOf(text: string): DomainName {
  const name = parseDomainName(text)
  if (!name.ok || !name.value.includes('.')) throw new UsageError(`${JSON.stringify(text)} is not a domain`)
  return name.value
}
