import assert from 'node:assert/strict'
import { test } from 'node:test'
import { describeStartProblem } from '../cli/start-problem-text.ts'
import { configOf } from '../config/config-lab.ts'
import { configuredRouting, configuredSources } from './configured-sources.ts'
import { checkSources } from './source-check.ts'

const text = (address: string, more = '') => `[[source]]\naddress = "${address}"\n${more}`

test('addresses of this machine are taken, each with its name or that of the relay', async () => {
  const config = configOf(
    `hostname = "relay.example.com"\n${text('127.0.0.2')}${text('::1', 'hostname = "six.example.com"\n')}`,
  )
  const pools = configuredSources(config)
  assert.deepEqual(pools, [
    {
      name: 'default',
      addresses: [
        { address: '127.0.0.2', hostname: 'relay.example.com' },
        { address: '::1', hostname: 'six.example.com' },
      ],
    },
  ])
  assert.equal((await checkSources(pools)).ok, true)
  assert.equal(configuredRouting(config).pool, 'default')
})

test('an address of another machine stops the start, and is named', async () => {
  const checked = await checkSources(configuredSources(configOf(text('192.0.2.77'))))
  assert.equal(checked.ok, false)
  assert.match(
    checked.ok ? '' : describeStartProblem(checked.error),
    /^mail cannot leave from 192\.0\.2\.77: .+\[\[source\]\] names addresses of this machine\)$/,
  )
})

test('without a pool "default" mail that no route takes leaves from wherever the system chooses', () => {
  assert.equal(configuredRouting(configOf(text('127.0.0.2', 'pool = "bulk"\n'))).pool, undefined)
})
