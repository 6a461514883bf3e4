/** `hermetic tlsrpt key`: the key that signs report mails (RFC 8460 §3), made once and shown again. */
import { existsSync } from 'node:fs'
import { isSelector } from '../config/sections/dkim.ts'
import { describeSystemError } from '../config/system-error.ts'
import { generateKeyPem } from '../signing/generate-key.ts'
import { keyFilePath, keyFileProblemText, readKeyFile, writeKeyFile } from '../signing/key-files.ts'
import { keyRecordName, reportKeyRecordText, zoneLine } from '../signing/key-record.ts'
import { readArguments } from './arguments.ts'
import { checkKeyRecords } from './dkim-check.ts'
import { CONFIG_OPTION, readSettings } from './settings.ts'
import { EXIT, type Terminal, UsageError, UserError } from './verb.ts'

const OPTIONS = { ...CONFIG_OPTION, check: { type: 'boolean', default: false } } as const
const SELECTOR_DEFAULT = 'tlsrpt'

export async function tlsrptKey(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = readArguments(args, OPTIONS, { min: 0, max: 1, name: 'selector' })
  const settings = readSettings(values.config, terminal, { keys: 'to-be-made' })
  if (settings === undefined) return EXIT.configuration
  const { data_dir: dataDir, tlsrpt, dns } = settings.config
  const { contact, selector: configured, key_file: configuredFile } = tlsrpt
  if (contact?.domain.kind !== 'name') {
    throw new UserError('write contact = "tls-reports@example.com" in [tlsrpt] first: the key is of that domain')
  }
  const domain = contact.domain.name
  const selector = positionals[0] ?? configured ?? SELECTOR_DEFAULT
  if (!isSelector(selector)) throw new UsageError('a selector has letters in lower case, digits, hyphens and dots')
  const isConfigured = selector === configured
  const path = (isConfigured ? configuredFile : undefined) ?? keyFilePath(dataDir, domain, selector)
  const isNew = !existsSync(path)
  if (isNew && values.check) throw new UserError(`there is no key in ${path}; hermetic tlsrpt key makes it`)
  if (isNew) await makeKey(path)
  const key = keyIn(path)
  if (values.check) {
    const { lines, fits } = await checkKeyRecords([{ domain, selector, key }], dns.servers)
    terminal.out(lines.map((line) => `${line}\n`).join(''))
    return fits ? EXIT.done : EXIT.failed
  }
  terminal.err(`The private key ${isNew ? 'is' : 'was there already,'} in ${path}.\n\nPublish this record in DNS:\n\n`)
  terminal.out(`${zoneLine(keyRecordName(domain, selector), reportKeyRecordText(key))}\n`)
  terminal.err(WHY)
  if (!isConfigured) {
    terminal.err(`\nWhen hermetic tlsrpt key ${selector} --check finds it, put this into [tlsrpt] and restart the relay:\n
selector = "${selector}"
`)
  }
  return EXIT.done
}

const WHY = `
s=email:tlsrpt names both services: receivers of reports may drop mail whose key is not for tlsrpt (RFC 8460 §3), and with
tlsrpt alone every other verifier must ignore the key (RFC 6376 §3.6.1), so that DKIM and DMARC of the mail would fail. A
few verifiers read only one word after s= (Python's dkim 1.1.4). Should a receiver that matters be one of them, leave s= out:
that means every service.
`

async function makeKey(path: string): Promise<void> {
  try {
    await writeKeyFile(path, generateKeyPem('rsa'))
  } catch (error) {
    throw new UserError(`${path} cannot be written: ${describeSystemError(error)}`)
  }
}

function keyIn(path: string) {
  const read = readKeyFile(path)
  if (!read.ok) throw new UserError(`${path} ${keyFileProblemText(read.error, describeSystemError)}`)
  return read.value.key
}
