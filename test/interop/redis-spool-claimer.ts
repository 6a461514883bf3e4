/** One of several processes that empty a lane: claims and settles until nothing is left, then prints what it had. */
import { openRedisSpool } from '../../packages/mta/src/spool/adapters/redis-spool.ts'
import { delivered, lane, settlement } from '../../packages/mta/src/spool/spool.fixture.ts'

const [url = '', dataDir = '', contentDir = ''] = process.argv.slice(2)
const opened = await openRedisSpool({
  ...{ address: { url }, dataDir, contentDir },
  queue: 'test',
  durability: 'strict',
  maxBytes: 64 * 1024 * 1024,
  emit: () => undefined,
})
if (!opened.ok) throw new Error(JSON.stringify(opened.error))
const ids: string[] = []
for (;;) {
  const claims = await opened.value.claim(lane(), { limit: 7, leaseMs: 60_000 })
  if (claims.length === 0) break
  for (const claim of claims) {
    ids.push(claim.id)
    await opened.value.settle(claim.token, settlement(claim.token, [delivered()]))
  }
}
await opened.value.close()
console.log(JSON.stringify(ids))
