import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { judgeHolder } from './id-holder.ts'
import { NODE_ID_NAME, NodeIdDamaged, openNodeId } from './node-id.ts'
import { formatNodeRecord, type NodeId, type NodeRecord, readNodeRecord } from './node-record.ts'
import type { ListedNode } from './standing.ts'

const ID = 'abcdef012345' as NodeId

const RECORD: NodeRecord = {
  ...readNodeRecord(ID, '{}'),
  ...{ incarnation: 'x', hostname: 'a.example.test', pid: 7, pidSpace: 'boot 1', version: '1.2.3', startedAt: 5 },
  ...{ state: 'draining', listeners: ['submission 192.0.2.1:587'], lanes: 1, inFlight: 2, accepted: 3, delivered: 4 },
  ...{ acceptedLately: 5, deliveredLately: 6, skewMs: -7 },
}

test('what is written is read', () => {
  assert.deepEqual(readNodeRecord(ID, formatNodeRecord(RECORD)), RECORD)
})

test('a record is bounded, whatever a machine is called and wherever it listens', () => {
  const long = 'x'.repeat(10_000)
  const text = formatNodeRecord({ ...RECORD, hostname: long, listeners: Array.from({ length: 500 }, () => long) })
  assert.ok(text.length < 10_000)
})

test('reading never throws, and answers every field', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const record = readNodeRecord(ID, text)
      assert.equal(record.id, ID)
      assert.ok(Number.isFinite(record.lanes) && Array.isArray(record.listeners))
    }),
  )
})

test('a data_dir keeps the id that it got, and another one gets another', async (t) => {
  const [one, other] = [directory(t), directory(t)]
  const id = await openNodeId(one)
  assert.equal(await openNodeId(one), id)
  assert.notEqual(await openNodeId(join(other, 'not', 'there', 'yet')), id)
})

test('a file that holds no id is not replaced', async (t) => {
  const path = directory(t)
  writeFileSync(join(path, NODE_ID_NAME), 'what is this?\n')
  await assert.rejects(openNodeId(path), NodeIdDamaged)
})

test('an id is taken from a neighbour that is dead, kept by who beats, and otherwise waited for', () => {
  const own = { pid: 10, pidSpace: 'boot 1' }
  const holder: ListedNode = { ...RECORD, standing: 'running', beatAgeMs: 800 }
  const before = { ...holder, beatAgeMs: 300 }
  const judged = (facts: Partial<Parameters<typeof judgeHolder>[0]>) =>
    judgeHolder({ holder, own, isAlive: () => true, ...facts })
  assert.equal(judged({ isAlive: () => false }), 'dead')
  assert.equal(judged({ own: { ...own, pid: holder.pid } }), 'dead')
  assert.equal(judged({ isAlive: () => false, own: { pid: 10, pidSpace: 'boot 2' } }), 'wait')
  assert.equal(judged({ isAlive: () => false, own: { pid: 10, pidSpace: '' } }), 'wait')
  assert.equal(judged({}), 'wait')
  assert.equal(judged({ before }), 'wait')
  assert.equal(judged({ before: { ...before, beatAgeMs: 900 } }), 'alive')
  assert.equal(judged({ before: { ...before, incarnation: 'y' } }), 'alive')
})

function directory(t: { after(done: () => void): void }): string {
  const path = mkdtempSync(join(tmpdir(), 'node-id-'))
  t.after(() => rmSync(path, { recursive: true, force: true }))
  return path
}
