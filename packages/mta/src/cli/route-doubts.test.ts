import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf } from '../config/config-lab.ts'
import { routeDoubts } from './route-doubts.ts'

function doubts(text: string): readonly string[] {
  return routeDoubts(configOf(text)).map((doubt) => doubt.text)
}

const NEWS = '[[route]]\nsender = "news@shop.test"\nhost = "news.test"\n'
const PARTNER = '[[route]]\ndomain = "partner.test"\nhost = "partner.test"\n'

test('a route by sender that a route by domain overrides is told, until both are written', () => {
  const [doubt, ...more] = doubts(`${NEWS}${PARTNER}`)
  assert.deepEqual(more, [])
  assert.match(doubt ?? '', /^route\[0\] \(\*, from news@shop\.test\) does not count where route\[1\] does/)
  const both = '[[route]]\ndomain = "partner.test"\nsender = "news@shop.test"\nhost = "news.test"\n'
  assert.deepEqual(doubts(`${NEWS}${PARTNER}${both}`), [])
})

test('routes by domain alone, or for other senders, leave nothing to tell', () => {
  assert.deepEqual(doubts(`[[route]]\nhost = "any.test"\n${PARTNER}`), [])
  assert.deepEqual(doubts(`${NEWS}[[route]]\ndomain = "partner.test"\nsender = "@else.test"\nhost = "b.test"\n`), [])
})

test('a later attempt that goes where the earlier ones go is told', () => {
  const late = (host: string) => `[[route]]\nfrom_attempt = 4\nhost = "${host}"\n`
  assert.match(doubts(`[[route]]\nhost = "any.test"\n${late('any.test')}`)[0] ?? '', /route\[1\].*changes nothing/)
  assert.deepEqual(doubts(`[[route]]\nhost = "any.test"\n${late('other.test')}`), [])
})

test('a route from an attempt on that no message has before it is given up is told', () => {
  const late = (attempt: number) => `[[route]]\ndomain = "x.test"\nfrom_attempt = ${attempt}\nhost = "b.test"\n`
  const [doubt, ...more] = doubts(late(900))
  assert.deepEqual(more, [])
  assert.match(
    doubt ?? '',
    /^route\[0\] \(x\.test, from attempt 900 on\) is never reached: mail is given up after \d+ attempts/,
  )
  assert.deepEqual(doubts(late(40)), [])
  const quick = '[delivery]\nretry_interval = "30m"\nretry_interval_max = "30m"\nmax_age = "30d"\n'
  assert.deepEqual(doubts(`${late(900)}${quick}`), [])
})

test('a route by tag is told where no mail can have one: tags come by submission listeners only', () => {
  const tagged = '[[route]]\ntag = "news"\nhost = "b.test"\n'
  const listener = (kind: string) =>
    `[[listener]]\nkind = "${kind}"\nport = 2526\ntls = "none"\nallow_networks = ["127.0.0.1/32"]\n`
  assert.match(doubts(`${tagged}${listener('relay')}`)[0] ?? '', /with the tag news\) is never used/)
  assert.deepEqual(doubts(tagged), [])
})
