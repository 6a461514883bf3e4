import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NodeId, readNodeRecord } from '../nodes/node-record.ts'
import type { ListedNode } from '../nodes/standing.ts'
import { nodeJson, nodesText } from './nodes-text.ts'

const now = 1_700_000_100_000
const here = 'aaaa11111111' as NodeId

const mine: ListedNode = {
  ...readNodeRecord(here, '{}'),
  ...{
    hostname: 'a.example.com',
    pid: 7,
    version: '1.2.3',
    startedAt: now - 7_200_000,
    listeners: ['submission 192.0.2.1:587'],
  },
  ...{ standing: 'running', beatAgeMs: 340, skewMs: 12, lanes: 3, inFlight: 41 },
  ...{ accepted: 9_000, delivered: 8_000, acceptedLately: 120, deliveredLately: 118 },
}
const other: ListedNode = { ...mine, id: 'bbbb22222222' as NodeId, hostname: 'b.example.com' }

const WANTED = ['submission', 'delivery'] as const

function text(...nodes: readonly ListedNode[]): readonly string[] {
  return nodesText({ here, nodes }, { now, width: undefined, colours: false, wanted: WANTED }).trimEnd().split('\n')
}

test('one line for each node, in order of machines, the one that was asked marked', () => {
  const [title, first, second, ...rest] = text(other, mine)
  assert.match(title ?? '', /^NODE +MACHINE +STATE +BEAT +CLOCK +LANES +IN FLIGHT/)
  assert.equal(
    first?.replace(/ +/g, ' '),
    'aaaa11111111 * a.example.com running 0.3s +12ms 3 41 120 118 2h 1.2.3 all submission 192.0.2.1:587',
  )
  assert.match(second ?? '', /^bbbb22222222 {2,}b\.example\.com/)
  assert.deepEqual(rest, [])
})

test('a silent node shows since when, and nothing that may be over', () => {
  const [, , line, warning] = text(mine, { ...other, standing: 'silent', beatAgeMs: 3_720_000 })
  assert.equal(
    line?.replace(/ +/g, ' '),
    'bbbb22222222 b.example.com silent 1h 2m +12ms - - - - - 1.2.3 all submission 192.0.2.1:587',
  )
  assert.match(warning ?? '', /^Silent: bbbb22222222 since 1h 2m\./)
})

test('a clock that is off, an order that is not heard, versions side by side and a queue without anybody are said', () => {
  assert.match(text({ ...mine, skewMs: -3_200 }).join('\n'), / -3\.2s ! .*\n.*3\.2s behind the clock of Redis/)
  assert.match(text({ ...mine, wish: 'drain' }).join('\n'), /running, is to drain/)
  assert.match(text({ ...mine, standing: 'draining', wish: 'run' }).join('\n'), /draining, is to run/)
  assert.match(text(mine, { ...other, version: '1.3.0' }).join('\n'), /2 versions run side by side/)
  assert.match(text({ ...mine, standing: 'draining' }).join('\n'), /No node runs: mail waits/)
})

test('what a node does is said when it is not everything, and what nobody does', () => {
  const taking: ListedNode = { ...mine, roles: ['submission'] }
  const [, line, warning] = text(taking)
  assert.match(line ?? '', / submission {2,}submission 192\.0\.2\.1:587$/)
  assert.equal(warning, 'No node delivers: mail waits (role delivery).')
  const delivering: ListedNode = { ...other, roles: ['delivery', 'api'] }
  assert.doesNotMatch(text(taking, delivering).join('\n'), /No node/)
  assert.match(text(taking, { ...delivering, standing: 'silent' }).join('\n'), /No node delivers/)
  assert.match(text(taking, { ...delivering, standing: 'draining' }).join('\n'), /No node delivers/)
})

test('what another machine calls itself stays on its line', () => {
  const [, line] = text({ ...mine, hostname: 'evil\nhost\u001b[31m' })
  assert.match(line ?? '', /evil\?host\?\[31m/)
})

test('JSON has every number, and times in UTC', () => {
  const json = JSON.parse(nodeJson({ ...mine, skewMs: 2_500 }, { here, now }))
  assert.deepEqual([json.node_id, json.here, json.state, json.wish], [here, true, 'running', null])
  assert.deepEqual([json.clock_skew_ms, json.clock_out_of_step], [2_500, true])
  assert.equal(json.last_beat_at, new Date(now - 340).toISOString().replace(/\.\d+Z$/, 'Z'))
  assert.equal(JSON.parse(nodeJson(other, { here, now })).here, false)
})
