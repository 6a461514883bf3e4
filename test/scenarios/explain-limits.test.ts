/** Neither a hostile domain nor a curious operator holds the relay up: deadlines, bounds, and who hangs up is let go. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Explanation, parseDomainName } from '@hermetic/policy'
import { laneFor } from '../../packages/mta/src/delivery/routing.ts'
import { createExplainer, type Explain, type ExplainerOptions } from '../../packages/mta/src/explain/explainer.ts'
import { ADDRESSES_MAX } from '../../packages/mta/src/explain/probe.ts'
import type { PolicyLookups } from '../../packages/mta/src/explain/world.ts'
import { StsWorld, type StsWorldOptions } from '../lab/sts-world.ts'

const MX = 'mx.example.test'
const never = <T>(): Promise<T> => new Promise(() => undefined)
/** As if neither DNS nor the policy host ever answered. */
const SILENT: PolicyLookups = {
  resolver: { txt: () => never() },
  cached: async () => undefined,
  examine: () => never(),
}

async function withExplainer(
  options: StsWorldOptions,
  use: (explain: Explain, world: StsWorld) => Promise<void>,
  explainer: ExplainerOptions & { readonly policies?: PolicyLookups } = {},
): Promise<void> {
  await using world = await StsWorld.start({ hosts: { [MX]: {} }, mx: { 'example.test': [[10, MX]] }, ...options })
  const { deliveryOptions: destination } = world.relay
  const { policies, ...limits } = explainer
  const lanes = { port: destination.port }
  const explain = createExplainer(
    { by: 'relay', destination, policies, laneFor: (mail) => laneFor(mail, lanes) },
    { limits: { lookupsMs: 300, sessionsMs: 300 }, ...limits },
  )
  await use(explain, world)
}

async function ask(explain: Explain, domain = 'example.test', signal?: AbortSignal): Promise<Explanation> {
  const name = parseDomainName(domain)
  assert.ok(name.ok)
  const answer = await explain({ destination: { kind: 'name', name: name.value }, connect: true }, signal)
  assert.ok(answer.ok, JSON.stringify(answer))
  return answer.value
}

test('a policy host that drips ends the wait, and is told as slow', () =>
  withExplainer(
    { policies: { 'example.test': { mode: 'enforce', mx: [MX] } } },
    async (explain, world) => {
      world.policyHost('example.test').answer = { silent: true }
      const { conclusion, mtaSts, advice } = await ask(explain)
      assert.equal(conclusion.kind, 'unknown')
      assert.equal(mtaSts.because, 'no-answer-in-time')
      assert.deepEqual(
        advice.map(({ code }) => code),
        ['policy-host-slow'],
      )
      assert.equal(world.relay.mx(MX).connections.length, 0)
    },
    { policies: SILENT },
  ))

for (const [what, script] of [
  ['says nothing', { CONNECT: { silent: true } }],
  ['talks without end', { EHLO: { endless: '250-more\r\n' } }],
  ['stalls in the handshake', { STARTTLS: { reply: '220 go', handshake: 'stall' } }],
] as const) {
  test(`a mail host that ${what} ends the wait`, () =>
    withExplainer({ hosts: { [MX]: { script } } }, async (explain) => {
      const { conclusion, hosts } = await ask(explain)
      assert.ok(['unreachable', 'unknown'].includes(conclusion.kind), conclusion.kind)
      assert.notEqual(hosts[0]?.addresses[0]?.session?.verdict, 'proven')
    }))
}

test('no more addresses are tried than the bound, and what was left out is said', () => {
  const names = Array.from({ length: 30 }, (_, index) => `mx${index}.many.test`)
  const records = {
    'many.test': { MX: names.map((name, index) => [index, name] as const) },
    ...Object.fromEntries(names.map((name, index) => [name, { A: [`127.250.0.${index + 1}`] }])),
  }
  return withExplainer({ records }, async (explain) => {
    const { hosts } = await ask(explain, 'many.test')
    const verdicts = hosts.flatMap(({ addresses }) => addresses.map(({ session }) => session?.verdict))
    assert.equal(verdicts.length, 30)
    assert.equal(verdicts.filter((verdict) => verdict === 'no-channel').length, ADDRESSES_MAX)
    assert.deepEqual(hosts.at(-1)?.addresses[0]?.session?.problems, ['limit'])
  })
})

test('more explanations at a time than the bound are turned away, and find room later', () =>
  withExplainer(
    { hosts: { [MX]: { script: { CONNECT: { silent: true } } } } },
    async (explain, world) => {
      const running = [ask(explain), ask(explain)]
      const turnedAway = await explain({
        destination: { kind: 'literal', family: 4, address: '192.0.2.1' },
        connect: false,
      })
      assert.deepEqual(turnedAway, { ok: false, error: { kind: 'busy', atOnceMax: 2 } })
      await Promise.all(running)
      world.relay.mx(MX).script = {}
      assert.equal((await ask(explain)).conclusion.kind, 'deliverable')
    },
    { atOnceMax: 2 },
  ))

test('who hangs up is not worked for any more', () =>
  withExplainer(
    { hosts: { [MX]: { script: { CONNECT: { silent: true } } } } },
    async (explain, world) => {
      const gone = new AbortController()
      const asked = ask(explain, 'example.test', gone.signal)
      await world.relay.mx(MX).seen('CONNECT')
      gone.abort()
      const { hosts } = await asked
      assert.equal(hosts[0]?.addresses[0]?.session?.verdict, 'not-tried')
      await world.relay.mx(MX).connection.ended
    },
    { limits: { lookupsMs: 60_000, sessionsMs: 60_000 } },
  ))
