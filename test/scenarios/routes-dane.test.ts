/** TLSA records of a smarthost (RFC 7672 §2.2.2, RFC 8314 §5.3): they prove it, and nothing in their place does. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PolicyOverride, parseDomainName } from '@hermetic/policy'
import { covers } from '../conformance/covers.ts'
import { selfSigned } from '../lab/ca.ts'
import { tlsaOf, tlsaOwner } from '../lab/dane-world.ts'
import { routesOf } from '../lab/routes-of.ts'
import { StsWorld, type StsWorldOptions } from '../lab/sts-world.ts'

const SMART = 'smart.test'
const LOGIN = { username: 'shop', password: 'secret' }
const NAME = parseDomainName(SMART)
assert.ok(NAME.ok)

interface Situation {
  readonly tlsa: 'match' | 'other' | 'none' | 'unsigned'
  readonly delivery?: StsWorldOptions['delivery']
}

/** A smarthost with a certificate of its own making; answers who has logged in. */
async function loginAt(
  { tlsa, delivery = {} }: Situation,
  look?: (world: StsWorld) => void,
): Promise<string | undefined> {
  const leaf = await selfSigned({ names: [SMART] })
  await using world = await StsWorld.start({
    hosts: { [SMART]: { pair: { key: leaf.key, cert: leaf.certificate }, credentials: LOGIN } },
    routes: (port) => routesOf([{ domain: '*', host: SMART, port, ...LOGIN }]),
    dnssec: {},
    delivery,
  })
  const shown = tlsa === 'other' ? await selfSigned({ names: [SMART] }) : leaf
  const secure = tlsa === 'unsigned' ? { secure: false } : {}
  if (tlsa !== 'none') {
    world.serve({ [tlsaOwner(world, SMART)]: { TLSA: [tlsaOf(shown.certificate, 3)], ...secure } })
  }
  await world.send('example.test')
  const { connections, messages } = world.relay.mx(SMART)
  const commands = connections.flatMap((connection) => connection.commands)
  const username = connections.find((connection) => connection.username !== undefined)?.username
  assert.equal(
    commands.some((line) => line.startsWith('AUTH')),
    username !== undefined,
  )
  assert.equal(messages.length, username === undefined ? 0 : 1)
  look?.(world)
  return username
}

test('TLS-23: a usable TLSA record that matches takes the place of an authority: AUTH is sent', async () => {
  covers('TLS-23', { observe: 'smtp' })
  const who = await loginAt({ tlsa: 'match' }, ({ relay }) =>
    assert.equal(relay.eventsOf('attempt-finished')[0]?.verdict.kind, 'proven'),
  )
  assert.equal(who, LOGIN.username)
})

test('DANE-27: the records of a smarthost are asked for at its own port, and no MX of it is', async () => {
  covers('DANE-27', { observe: 'dns' })
  await loginAt({ tlsa: 'match' }, (world) => {
    const asked = world.relay.dns.queries.map(({ name, type }) => `${type} ${name}`)
    assert.ok(asked.includes(`TLSA ${tlsaOwner(world, SMART)}`))
    assert.deepEqual(
      asked.filter((question) => question.startsWith('MX ')),
      [],
    )
  })
})

const waived: PolicyOverride = {
  ...{ kind: 'waive', domain: NAME.value, mechanisms: ['dane'], reason: 'test', author: 'test' },
  until: Date.now() + 86_400_000,
}

for (const [what, situation] of [
  ['of another certificate', { tlsa: 'other' }],
  ['that nobody signed', { tlsa: 'unsigned' }],
  ['that an operator has waived', { tlsa: 'match', delivery: { overrides: [waived] } }],
  ['that there is not', { tlsa: 'none' }],
] satisfies readonly (readonly [string, Situation])[] as readonly (readonly [string, Situation])[]) {
  test(`TLS-22: by a record ${what} a self-signed smarthost proves nothing: no AUTH`, async () => {
    covers('TLS-22', { observe: 'smtp' })
    assert.equal(await loginAt(situation), undefined)
  })
}
