import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

/** Places a file, opens /dev/null until nothing can be opened any more, and says what reading answers then. */
const CHILD = `
const { openSync, closeSync } = await import('node:fs')
const { ContentStore } = await import(${JSON.stringify(new URL('./content-store.ts', import.meta.url).href)})
const store = new ContentStore({ root: process.argv[1] + '/content', inlineBytesMax: 262144 }, {}, () => undefined)
await store.prepare()
const id = '01a2028e-5745-78cd-95d8-9d17bf578676'
const placed = await store.place(id, { kind: 'memory', bytes: Buffer.alloc(300 * 1024, 'x') })
const taken = []
try { for (;;) taken.push(openSync('/dev/null')) } catch {}
const answer = await store.open(id, placed).then(() => 'read', (error) => error.name)
for (const fd of taken) closeSync(fd)
const again = await store.open(id, placed).then(() => 'read', (error) => error.name)
console.log(answer, again)
`

test('a process without free descriptors has not lost the content: reading waits, nothing is called unreadable', () => {
  const directory = mkdtempSync(join(tmpdir(), 'content-store-'))
  const script = 'ulimit -n 64 && exec "$0" --input-type=module -e "$1" "$2"'
  const said = execFileSync('/bin/sh', ['-c', script, process.execPath, CHILD, directory], { encoding: 'utf8' })
  rmSync(directory, { recursive: true })
  assert.equal(said, 'StoreUnavailable read\n')
})
