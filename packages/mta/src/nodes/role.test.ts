import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type NodeId, readNodeRecord } from './node-record.ts'
import { parseRoles, ROLES, rolesMissingAlone, rolesWithoutNode, WITHOUT_ROLE } from './role.ts'

test('roles are written with commas between, in any order, and each counts once', () => {
  assert.deepEqual(parseRoles('delivery'), { ok: true, value: ['delivery'] })
  assert.deepEqual(parseRoles(' api,submission , api'), { ok: true, value: ['submission', 'api'] })
  for (const [text, wrong] of [
    ['', ''],
    ['delivery,', ''],
    ['Delivery', 'Delivery'],
    ['deliver', 'deliver'],
    ['submission;delivery', 'submission;delivery'],
    ['all', 'all'],
  ] as const) {
    assert.deepEqual(parseRoles(text), { ok: false, error: wrong }, text)
  }
})

test('with a queue of its own a process may leave out the API and nothing else', () => {
  assert.deepEqual(rolesMissingAlone(ROLES), [])
  assert.deepEqual(rolesMissingAlone(['submission', 'delivery', 'reporter']), [])
  assert.deepEqual(rolesMissingAlone(['submission', 'api']), ['delivery', 'reporter'])
})

test('a role has a node when one that has it runs or starts; without news of nodes nothing is said', () => {
  const node = (standing: string, ...roles: readonly (typeof ROLES)[number][]) => ({ standing, roles })
  const wanted = ['submission', 'delivery'] as const
  assert.deepEqual(rolesWithoutNode(wanted, [node('running', 'submission'), node('starting', 'delivery')]), [])
  assert.deepEqual(rolesWithoutNode(wanted, [node('running', 'submission'), node('draining', 'delivery')]), [
    'delivery',
  ])
  assert.deepEqual(rolesWithoutNode(wanted, [node('silent', ...ROLES)]), wanted)
  assert.deepEqual(rolesWithoutNode(wanted, undefined), [])
  for (const role of ROLES) assert.match(WITHOUT_ROLE[role], new RegExp(`role ${role}`))
})

test('a node of a version without roles does everything that mail needs', () => {
  const id = 'abcdef012345' as NodeId
  assert.deepEqual(readNodeRecord(id, '{}').roles, ['submission', 'delivery', 'reporter'])
  assert.deepEqual(readNodeRecord(id, '{"roles":["api","of another version"]}').roles, ['api'])
})
