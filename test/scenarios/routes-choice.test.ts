/** Which smarthost a message goes to: by its sender, its tag and the number of the attempt (docs/operating/routes.md). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RouteWorld } from '../lab/route-world.ts'

const FIRST = 'first.test'
const SECOND = 'second.test'
const BUSY = { script: { CONNECT: '421 4.3.0 later' } }

function route(port: number, host: string, criteria = ''): string {
  return `[[route]]\nhost = "${host}"\nport = ${port}\n${criteria}`
}

test('senders have smarthosts of their own, notifications too', async () => {
  await using world = await RouteWorld.start({
    hosts: { 'any.test': {}, 'news.test': {}, 'notices.test': {} },
    routes: (port) =>
      route(port('any.test'), 'any.test') +
      route(port('news.test'), 'news.test', 'sender = "@news.test"\n') +
      route(port('notices.test'), 'notices.test', 'sender = "<>"\n'),
  })
  for (const from of ['a@sender.test', 'a@news.test', '']) {
    await world.settled(await world.submitAs({ from }, 'x@example.test'))
  }
  const senders = (host: string) => world.host(host).messages.map(({ mail }) => /<(.*?)>/.exec(mail)?.[1])
  assert.deepEqual(['any.test', 'news.test', 'notices.test'].map(senders), [['a@sender.test'], ['a@news.test'], ['']])
})

test('from an attempt on mail takes another smarthost, although the lane of the first one rests', async () => {
  await using world = await RouteWorld.start({
    hosts: { [FIRST]: BUSY, [SECOND]: {} },
    routes: (port) => route(port(FIRST), FIRST) + route(port(SECOND), SECOND, 'from_attempt = 2\n'),
  })
  const id = await world.submit('bob@example.test')
  await world.settled(id, 2)
  const [first, second] = world.settles(id)
  assert.match(first?.lane ?? '', /^route:first\.test:/)
  assert.match(second?.lane ?? '', /^route:second\.test:/)
  assert.deepEqual([first?.summary.deferred, second?.summary.delivered], [1, 1])
  assert.equal(world.host(SECOND).messages.length, 1)
})

test('mail that waits moves to the pool and the way that its sender has now', async () => {
  await using world = await RouteWorld.start({
    hosts: { [FIRST]: BUSY, [SECOND]: {} },
    routes: (port) => route(port(FIRST), FIRST),
  })
  const id = await world.submitAs({ from: 'a@news.test' }, 'bob@example.test')
  await world.settled(id)
  await world.restart({
    routes: (port) => route(port(FIRST), FIRST) + route(port(SECOND), SECOND, 'sender = "a@news.test"\n'),
  })
  await world.settled(id, 2)
  assert.equal(world.host(SECOND).messages.length, 1)
})
