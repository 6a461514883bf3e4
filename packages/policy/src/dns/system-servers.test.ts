import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseResolvConf, readSystemServers } from './system-servers.ts'

test('nameserver lines count in order, at most three; the rest of the file does not', () => {
  const text = `# resolv.conf
search example.com
nameserver 192.0.2.1 # first
 nameserver\t2001:db8::1
nameserver fe80::1%eth0
nameserver 192.0.2.4
options edns0
nameserver
nameserver ns.example.com
;nameserver 192.0.2.9
`
  assert.deepEqual(parseResolvConf(text), [
    { address: '192.0.2.1', port: 53 },
    { address: '2001:db8::1', port: 53 },
    { address: 'fe80::1%eth0', port: 53 },
  ])
})

test('a file that is missing, and one that names nobody, are told apart', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'resolv-'))
  const path = join(folder, 'resolv.conf')
  assert.deepEqual(await readSystemServers(path), { ok: false, error: { kind: 'unreadable', path, code: 'ENOENT' } })
  await writeFile(path, 'search example.com\n')
  assert.deepEqual(await readSystemServers(path), { ok: false, error: { kind: 'no-nameserver', path } })
  await writeFile(path, 'nameserver 192.0.2.1')
  assert.deepEqual(await readSystemServers(path), { ok: true, value: [{ address: '192.0.2.1', port: 53 }] })
  await rm(folder, { recursive: true })
})
