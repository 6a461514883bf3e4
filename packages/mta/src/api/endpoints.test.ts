/** The list of endpoints against the list of orders: what the command line can do the API can, and the other way round. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { controlOrders } from '../admin/control-orders.ts'
import { labQueue } from '../admin/queue-lab.ts'
import { BULK_ORDERS, type Endpoint } from './endpoint.ts'
import { ENDPOINTS } from './endpoints.ts'

const ORDERS = controlOrders({
  ...{ queue: labQueue([]), emit: () => undefined, queueChanged: () => undefined },
  status: () => Promise.reject(new Error('nobody asks')),
  nodes: { report: () => Promise.reject(new Error('nobody asks')), order: async () => 'unknown' },
})

function ordersOf(endpoint: Endpoint): readonly string[] {
  return endpoint.kind === 'bulk' ? BULK_ORDERS : [endpoint.order]
}

test('every order that the command line gives has an endpoint', () => {
  const given = new Set(ENDPOINTS.flatMap(ordersOf))
  const missing = ORDERS.map(({ path }) => path).filter((path) => !given.has(path))
  assert.deepEqual(missing, [], 'add them to the endpoints in packages/mta/src/api')
})

test('every endpoint gives orders that there are', () => {
  const known = new Set(ORDERS.map(({ path }) => path))
  assert.deepEqual(
    ENDPOINTS.flatMap(ordersOf).filter((path) => !known.has(path)),
    [],
  )
})

test('nobody changes anything with the role read', () => {
  const operating = new Set(ORDERS.filter(({ role }) => role === 'operate').map(({ path }) => path))
  for (const endpoint of ENDPOINTS) {
    if (ordersOf(endpoint).some((path) => operating.has(path))) assert.equal(endpoint.role, 'operate', endpoint.id)
    if (endpoint.method === 'get') assert.equal(endpoint.role, 'read', endpoint.id)
    if (endpoint.method === 'post') assert.equal(endpoint.role, 'operate', endpoint.id)
  }
})

test('names and paths are given once, and every part of a path is described', () => {
  assert.equal(new Set(ENDPOINTS.map(({ id }) => id)).size, ENDPOINTS.length)
  assert.equal(new Set(ENDPOINTS.map(({ method, path }) => `${method} ${path}`)).size, ENDPOINTS.length)
  for (const { path, inPath = {} } of ENDPOINTS) {
    const parts = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name)
    assert.deepEqual(parts, Object.keys(inPath), path)
  }
})
