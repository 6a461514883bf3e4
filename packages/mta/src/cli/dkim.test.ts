import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { runHermetic } from '../../../../test/lab/command-lab.ts'
import { startDnsServer, zone } from '../../../../test/lab/dns-server.ts'

/** What a zone file's line says, its strings put together. */
function textOf(line: string): string {
  return [...line.matchAll(/"([^"]*)"/g)].map(([, text]) => text).join('')
}

test('a key is made, its record printed and compared with what DNS says; a key is never written over', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'dkim-cli-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'hermetic.toml')
  writeFileSync(file, '')
  const made = await runHermetic(file, 'dkim', 'keygen', 'example.com', 's1')
  assert.equal(made.code, 0, made.err)
  assert.match(made.out, /^s1\._domainkey\.example\.com\. IN TXT \( "v=DKIM1; k=rsa; p=MII/)
  const path = join(directory, 'data/dkim/s1._domainkey.example.com.pem')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  const again = await runHermetic(file, 'dkim', 'keygen', 'example.com', 's1')
  assert.equal(again.code, 1)
  assert.match(again.err, /is there already and is not replaced/)
  const second = await runHermetic(file, 'dkim', 'keygen', 'example.com', 'e1', '--type', 'ed25519')
  assert.equal(second.code, 0, second.err)

  const records = { 's1._domainkey.example.com': { TXT: [textOf(made.out).match(/.{1,255}/g) ?? []] } }
  const dns = await startDnsServer({ zones: [zone(records)] })
  t.after(() => dns.close())
  const tables = ['s1', 'e1'].map((selector) => `[[dkim]]\ndomain = "example.com"\nselector = "${selector}"\n`).join('')
  writeFileSync(file, `${tables}[dns]\nservers = ["${dns.address}:${dns.port}"]\n`)
  const printed = await runHermetic(file, 'dkim', 'record')
  assert.equal(printed.out, made.out + second.out)
  const checked = await runHermetic(file, 'dkim', 'check')
  assert.equal(checked.code, 1)
  assert.match(checked.out, /^ok {6}s1\._domainkey\.example\.com: the record fits the key \(rsa-sha256\)$/m)
  assert.match(checked.out, /^problem e1\._domainkey\.example\.com: there is no record/m)
  for (const words of [
    ['keygen', 'com', 's1'],
    ['keygen', 'example.com', 'S_1'],
    ['keygne'],
    ['keygen', 'example.com', 's', '--type', 'dsa'],
  ]) {
    assert.equal((await runHermetic(file, 'dkim', ...words)).code, 2, words.join(' '))
  }
})
