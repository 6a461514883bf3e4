/**
 * Logging in to a smarthost that others wrote: Postfix with the SASL library of Cyrus, which keeps the password and speaks
 * LOGIN and PLAIN. Debian's Postfix looks for the settings of SASL beside its own (`sasl/smtpd.conf`).
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { promisify } from 'node:util'
import { RouteWorld } from '../lab/route-world.ts'
import { labAuthority } from '../lab/world-host.ts'
import { PostfixInstance } from './postfix-instance.ts'
import { freePort } from './relay-instance.ts'

const HOST = 'smart.test'
const PASSWORD = 'pässwörd with a space'
const run = promisify(execFile)

let dir: string
let port: number
let postfix: PostfixInstance

/** A database of passwords for the user postfix, which smtpd(8) runs as. */
async function saslSettings(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true })
  const database = join(folder, 'sasldb2')
  const kept = `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: ${database}\nmech_list: PLAIN LOGIN\n`
  await writeFile(join(folder, 'smtpd.conf'), kept)
  const made = run('saslpasswd2', ['-p', '-c', '-f', database, '-u', HOST, 'shop'])
  made.child.stdin?.end(PASSWORD)
  await made
  await chown(database, Number((await run('id', ['-u', 'postfix'])).stdout), 0)
  await chmod(folder, 0o755)
}

async function settings(): Promise<Readonly<Record<string, string>>> {
  const { key, chain } = await (await labAuthority()).issue({ names: [HOST] })
  await writeFile(join(dir, 'key.pem'), key, { mode: 0o600 })
  await writeFile(join(dir, 'cert.pem'), chain)
  return {
    ...{ myhostname: HOST, smtpd_tls_key_file: join(dir, 'key.pem'), smtpd_tls_cert_file: join(dir, 'cert.pem') },
    ...{ smtpd_tls_security_level: 'encrypt', smtpd_tls_auth_only: 'yes', smtpd_sasl_auth_enable: 'yes' },
    ...{ smtpd_relay_restrictions: 'permit_sasl_authenticated, reject', mynetworks: '192.0.2.0/24' },
    ...{ default_transport: 'discard', relay_transport: 'discard' },
  }
}

before(async () => {
  assert.equal(process.getuid?.(), 0, 'Postfix needs root to run: start test:interop as root')
  dir = await mkdtemp(`${tmpdir()}/hermetic-interop-login-`)
  await chmod(dir, 0o755)
  port = await freePort()
  await saslSettings(join(dir, 'postfix', 'etc', 'sasl'))
  postfix = await PostfixInstance.start({
    ...{ dir: join(dir, 'postfix'), logFile: join(dir, 'postfix.log'), settings: await settings() },
    listeners: [`127.0.0.1:${port} inet n - n - - smtpd`],
  })
})

after(async () => {
  await postfix?.stop()
  await rm(dir, { recursive: true, force: true })
})

function world(auth: string, password = PASSWORD): Promise<RouteWorld> {
  return RouteWorld.start({
    records: { [HOST]: { A: ['127.0.0.1'] } },
    routes: () => `[[route]]
host = "${HOST}"
port = ${port}
username = "shop@${HOST}"
password = "${password}"
auth = "${auth}"
`,
  })
}

describe('a smarthost that is a Postfix with SASL of Cyrus', () => {
  for (const auth of ['login', 'plain']) {
    test(`takes mail after ${auth.toUpperCase()}`, async () => {
      await using relay = await world(auth)
      const id = await relay.send('bob@elsewhere.test')
      assert.equal(relay.settles(id)[0]?.summary.delivered, 1)
      assert.match(await postfix.log(), new RegExp(`sasl_method=${auth.toUpperCase()}, sasl_username=shop@${HOST}`))
    })

    test(`refuses a wrong password by ${auth.toUpperCase()}: the route is suspended and the mail kept`, async () => {
      await using relay = await world(auth, 'wrong')
      const id = await relay.submit('bob@elsewhere.test')
      await relay.relay.until(() => relay.relay.eventsOf('route-suspended').length === 1)
      assert.match(relay.relay.eventsOf('smarthost-login-failed')[0]?.said ?? '', /^535 5\.7\.8 /)
      assert.deepEqual(relay.settles(id), [])
    })
  }
})
