import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NodeId, readNodeRecord } from './node-record.ts'
import { silenceNews } from './silence.ts'
import { countByStanding, findNode, inOrder, type ListedNode, SILENT_MS, standingOf } from './standing.ts'

const ids = ['aaaa11111111', 'aaaa22222222', 'bbbb11111111'] as const

function listed(id: string, more: Partial<ListedNode> = {}): ListedNode {
  return { ...readNodeRecord(id as NodeId, '{}'), standing: 'running', beatAgeMs: 10, ...more }
}

test('a node is what it says as long as it beats, then silent, whatever it said', () => {
  for (const state of ['starting', 'running', 'draining', 'stopping'] as const) {
    assert.equal(standingOf({ state, beatAgeMs: SILENT_MS - 1 }), state)
    assert.equal(standingOf({ state, beatAgeMs: SILENT_MS }), 'silent')
  }
})

test('nodes are counted by how they stand, none included', () => {
  const counts = countByStanding([listed(ids[0]), listed(ids[1], { standing: 'silent' }), listed(ids[2])])
  assert.deepEqual(Object.fromEntries(counts), { starting: 0, running: 2, draining: 0, stopping: 0, silent: 1 })
})

test('the list is in order of machines, then of age', () => {
  const [b1, a2, a1] = [
    listed(ids[0], { hostname: 'b', startedAt: 1 }),
    listed(ids[1], { hostname: 'a', startedAt: 9 }),
    listed(ids[2], { hostname: 'a', startedAt: 3 }),
  ]
  assert.deepEqual(inOrder([b1, a2, a1]), [a1, a2, b1])
})

test('a node is found by its id, the beginning of it, or its machine when only one lives there', () => {
  const nodes = [
    listed(ids[0], { hostname: 'a' }),
    listed(ids[1], { hostname: 'b' }),
    listed(ids[2], { hostname: 'b', standing: 'silent' }),
  ]
  const found = (name: string): string => {
    const answer = findNode(nodes, name)
    return answer.kind === 'one' ? answer.node.id : answer.kind
  }
  assert.equal(found(ids[1]), ids[1])
  assert.equal(found('aaaa1'), ids[0])
  assert.equal(found('aaaa'), 'several')
  assert.equal(found('aaa'), 'none')
  assert.equal(found('b'), ids[1])
  assert.equal(found('bbbb'), ids[2])
  assert.equal(found('c'), 'none')
})

test('news of silence come once, and only of nodes that were known', () => {
  const [here, gone] = [listed(ids[0]), listed(ids[0], { standing: 'silent', beatAgeMs: 6_000 })]
  const events = (before: readonly ListedNode[], after: readonly ListedNode[]) =>
    silenceNews(before, after).map(({ event }) => event)
  assert.deepEqual(events([here], [gone]), ['node-silent'])
  assert.deepEqual(events([gone], [gone]), [])
  assert.deepEqual(events([gone], [here]), ['node-heard-again'])
  assert.deepEqual(events([], [gone]), [])
  assert.deepEqual(events([here], []), [])
})
