/** A report mail as Python reads it: its dkim, email, gzip and json, none of which knows anything of our code. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'

const READER = `
import sys, json, gzip, base64, email, email.policy, dkim
task = json.load(sys.stdin)
octets = base64.b64decode(task['message'])
message = email.message_from_bytes(octets, policy=email.policy.default)
def defects(part):
    found = [type(d).__name__ for d in part.defects]
    for name, value in part.items():
        found += [name + ': ' + type(d).__name__ for d in getattr(value, 'defects', [])]
    return found
first, second = message.iter_parts()
try:
    verified = dkim.DKIM(octets).verify(dnsfunc=lambda name, timeout=5: task['record'].encode())
except dkim.DKIMException:
    verified = False
print(json.dumps({
    'verified': verified,
    'defects': [d for p in message.walk() for d in defects(p)],
    'header': {name.lower(): str(value) for name, value in message.items()},
    'reportType': message['Content-Type'].params.get('report-type'),
    'types': [first.get_content_type(), second.get_content_type()],
    'disposition': second.get_content_disposition(),
    'fileName': second.get_filename(),
    'text': first.get_content(),
    'report': json.loads(gzip.decompress(second.get_payload(decode=True))),
}))
`

export interface Reading {
  readonly verified: boolean
  readonly defects: readonly string[]
  readonly header: Readonly<Record<string, string>>
  readonly reportType: string
  readonly types: readonly string[]
  readonly disposition: string
  readonly fileName: string
  readonly text: string
  readonly report: Readonly<Record<string, unknown>>
}

/** `record` is what DNS says of the key. */
export function readByPython(message: Buffer, record: string): Reading {
  const input = JSON.stringify({ message: message.toString('base64'), record })
  const { status, stdout, stderr } = spawnSync('/usr/bin/python3', ['-c', READER], { input, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout)
}
