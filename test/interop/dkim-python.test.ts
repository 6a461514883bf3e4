/** Python's dkim package (Debian's python3-dkim) verifies what we sign: an independent reader of RFC 6376 and RFC 8463. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import { messageSigner } from '../../packages/mta/src/signing/dkim.ts'
import { keyRecordName, keyRecordText } from '../../packages/mta/src/signing/key-record.ts'
import { ED25519, identity, signedText } from '../../packages/mta/src/signing/signing.fixture.ts'

const VERIFIER = `
import sys, json, base64, dkim
task = json.load(sys.stdin)
records = {name.encode() + b'.': text.encode() for name, text in task['records'].items()}
verifier = dkim.DKIM(base64.b64decode(task['message']), minkey=2048)
print(json.dumps([verifier.verify(idx=idx, dnsfunc=lambda name, timeout=5: records.get(name)) for idx in range(task['signatures'])]))
`

const HEADER = 'From: Jane <jane@example.com>\r\nTo: joe@example.org,\r\n\tjim@example.org\r\nSubject:  two  words \r\n'
const IDENTITIES = (['relaxed', 'simple'] as const).flatMap((header) =>
  (['relaxed', 'simple'] as const).flatMap((body) => [
    identity({ header, body, selector: `r-${header}-${body}` }),
    identity({ header, body, selector: `e-${header}-${body}`, key: ED25519 }),
  ]),
)

function verifiedByPython(message: string): readonly boolean[] {
  const records = Object.fromEntries(
    IDENTITIES.map((one) => [keyRecordName(one.domain, one.selector), keyRecordText(one.key)]),
  )
  const task = { message: Buffer.from(message, 'latin1').toString('base64'), records, signatures: IDENTITIES.length }
  const input = JSON.stringify(task)
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', VERIFIER], { input, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}

describe("Python's dkim package verifies our signatures, of both kinds and in all forms", () => {
  for (const [what, body] of [
    ['text', 'one\r\ntwo\r\n'],
    ['no body', ''],
    ['only empty lines', '\r\n\r\n'],
    ['empty lines at the end', 'one\r\n\r\n\r\n'],
    ['tabs and spaces', 'one \t two  \r\n \t\r\n\tthree\r\n'],
    ['eight bits', 'caf\xc3\xa9\r\n'],
  ] as const) {
    test(what, () => {
      const message = signedText(messageSigner(IDENTITIES), `${HEADER}\r\n${body}`)
      assert.deepEqual(
        verifiedByPython(message),
        IDENTITIES.map(() => true),
      )
      const changed = message.replace('Subject:  two', 'Subject: three')
      assert.deepEqual(
        verifiedByPython(changed),
        IDENTITIES.map(() => false),
      )
    })
  }
})
