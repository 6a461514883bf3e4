/** Keys for relays of the lab: PEM files in a directory, the settings that name them, and the records for its DNS. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, writeFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { generateKeyPem } from '../../packages/mta/src/signing/generate-key.ts'
import { keyRecordName, keyRecordText } from '../../packages/mta/src/signing/key-record.ts'
import { parseSigningKey } from '../../packages/mta/src/signing/signing-key.ts'

export class DkimKeys implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), 'dkim-keys-'))
  /** `[[dkim]]` tables: RSA with selector `r1` and Ed25519 with `e1`, for each domain. */
  readonly settings: string
  /** By name, for DNS. */
  readonly records: Readonly<Record<string, string>>

  constructor(domains: readonly string[]) {
    const records: Record<string, string> = {}
    let settings = ''
    for (const domain of domains) {
      for (const [selector, type] of [
        ['r1', 'rsa'],
        ['e1', 'ed25519'],
      ] as const) {
        const pem = generateKeyPem(type)
        const key = parseSigningKey(pem)
        assert.ok(key.ok)
        const file = join(this.directory, `${selector}.${domain}.pem`)
        writeFileSync(file, pem)
        chmodSync(file, 0o600)
        records[keyRecordName(domain, selector)] = keyRecordText(key.value)
        settings += `[[dkim]]\ndomain = "${domain}"\nselector = "${selector}"\nkey_file = "${file}"\n`
      }
    }
    this.records = records
    this.settings = settings
  }

  /** What mailauth says of each signature, the uppermost first. */
  async verify(message: Buffer): Promise<readonly string[]> {
    const { results } = await dkimVerify(message, {
      resolver: async (name: string) => {
        const text = this.records[name]
        if (text === undefined) throw Object.assign(new Error(`no ${name}`), { code: 'ENOTFOUND' })
        return [[text]]
      },
    })
    return results.map(({ signingDomain, selector, status }) => `${signingDomain}/${selector} ${status.result}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}
