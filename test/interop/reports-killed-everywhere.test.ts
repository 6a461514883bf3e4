/** A run of reports is killed before and after every call of a port, each in a series of its own. */
import { after, before, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { KilledReports } from '../lab/killed-reports.ts'

let world: KilledReports
before(async () => {
  world = await KilledReports.start({ domains: 1 })
})
after(() => world[Symbol.asyncDispose]())

test('RPT-102: killed at every step, each target has its report, and the same octets if more than once', async (t) => {
  covers('RPT-102', { observe: 'store' })
  const steps = await world.steps()
  for (let step = 1; step <= steps; step += 1) await world.killedAt(step)
  t.diagnostic(`${steps} steps`)
})
