/**
 * A run of reports that is killed goes on in the next one: nobody misses a report, and who gets one again gets the same
 * octets. A few places here; every step is killed in `test/interop/reports-killed-everywhere.test.ts`.
 */
import { after, before, describe, test } from 'node:test'
import { covers } from '../conformance/covers.ts'
import { KilledReports } from '../lab/killed-reports.ts'

let world: KilledReports
before(async () => {
  world = await KilledReports.start()
})
after(() => world[Symbol.asyncDispose]())

describe('RPT-102: kill -9', () => {
  test('RPT-102: after the endpoint took the report and before the run knows', async () => {
    covers('RPT-102', { observe: 'store' })
    await world.killedBeforeTheAnswer()
  })

  test('RPT-102: again and again, early, in the middle, and late', async () => {
    covers('RPT-102', { observe: 'store' })
    const steps = await world.steps()
    await world.killedAt(Math.floor(steps / 5), Math.floor(steps / 2), Math.floor(steps / 2) - 2)
  })
})
