import assert from 'node:assert/strict'
import { test } from 'node:test'
import { configOf } from '../config/config-lab.ts'
import { portDoubts } from './port-doubts.ts'

const route = (port: number, tls: string) =>
  configOf(`[[route]]\ndomain = "*"\nhost = "smtp.example.net"\nport = ${port}\ntls = "${tls}"\n`)

for (const [port, tls, usual] of [
  [465, 'starttls', 'implicit'],
  [465, 'opportunistic', 'implicit'],
  [587, 'implicit', 'starttls'],
] as const) {
  test(`port ${port} with ${tls} is doubted, by the place in the file and what to write`, () => {
    const expected = `route[0]: port ${port} with tls = "${tls}" hardly ever works; on this port write tls = "${usual}"`
    assert.deepEqual(portDoubts(route(port, tls)), [expected])
  })
}

test('a listener is doubted too', () => {
  const config = configOf('[[listener]]\nkind = "submission"\naddress = "127.0.0.1"\nport = 465\n')
  assert.match(portDoubts(config).join(), /^listener\[0\]: port 465 with tls = "starttls"/)
})

for (const [port, tls] of [
  [465, 'implicit'],
  [587, 'starttls'],
  [2465, 'starttls'],
  [2587, 'implicit'],
] as const) {
  test(`port ${port} with ${tls} is what it says`, () => assert.deepEqual(portDoubts(route(port, tls)), []))
}
