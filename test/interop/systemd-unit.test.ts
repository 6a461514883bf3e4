/**
 * The unit of deploy/systemd as far as it can be judged where systemd does not run: its installer in a directory,
 * systemd's own check and score of it, and the system calls that the relay makes beside those that it allows.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { TerminalLab } from '../../packages/mta/src/cli/terminal-lab.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const UNIT = readFileSync(`${ROOT}deploy/systemd/hermetic.service`, 'utf8')
/** 0 is nothing exposed, 10 everything; a service without any setting has 9.6. */
const WORST_EXPOSURE = 2
const NOBODY = 65_534
const READY_MS = 30_000

let directory: string
let target: string

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hermetic-systemd-'))
  chmodSync(directory, 0o755)
  target = join(directory, 'target')
  const node = join(directory, 'node')
  writeFileSync(node, '#!/bin/sh\necho v26.12.1\n', { mode: 0o755 })
  const installed = run('sh', [`${ROOT}deploy/systemd/install.sh`, node], { DESTDIR: target })
  assert.equal(installed.status, 0, installed.text)
  // The units that ours refers to.
  cpSync('/lib/systemd/system', join(target, 'usr/lib/systemd/system'), { recursive: true, verbatimSymlinks: true })
})
after(() => rmSync(directory, { recursive: true, force: true }))

describe('the installer', () => {
  test('puts program, command, unit, user and directories where they belong', () => {
    for (const file of [
      'opt/hermetic/packages/mta/src/cli/main.ts',
      'opt/hermetic/docs/operating/queue.md',
      'usr/local/bin/hermetic',
      'etc/systemd/system/hermetic.service',
      'etc/sysusers.d/hermetic.conf',
      'etc/tmpfiles.d/hermetic.conf',
    ])
      assert.ok(existsSync(join(target, file)), file)
    assert.match(readFileSync(join(target, 'usr/local/bin/hermetic'), 'utf8'), /^exec "\/.*\/node" \/opt\/hermetic\//m)
  })

  test('gives the command line what the unit reads from /etc/hermetic/environment; what is set already counts', () => {
    const environment = join(directory, 'environment')
    const lines = [
      '# a comment',
      'HERMETIC_ROLE="delivery"',
      "HERMETIC_HOSTNAME='a.example'",
      'HERMETIC_QUEUE__REDIS_URL=redis://:a=$b@c',
    ]
    writeFileSync(
      environment,
      [...lines, 'HERMETIC_x;id=1', 'PATH=/nowhere', 'HERMETIC_DATA_DIR=/elsewhere', ''].join('\n'),
    )
    const command = join(directory, 'hermetic')
    const text = readFileSync(join(target, 'usr/local/bin/hermetic'), 'utf8')
    writeFileSync(command, text.replaceAll('/etc/hermetic/environment', environment).replace(/^exec .*$/m, 'exec env'))
    const seen = run('sh', [command], { HERMETIC_HOSTNAME: 'b.example' }).text.split('\n')
    assert.deepEqual(seen.filter((line) => line.startsWith('HERMETIC_')).sort(), [
      'HERMETIC_CONFIG=/etc/hermetic/hermetic.toml',
      'HERMETIC_DATA_DIR=/elsewhere',
      'HERMETIC_HOSTNAME=b.example',
      'HERMETIC_QUEUE__REDIS_URL=redis://:a=$b@c',
      'HERMETIC_ROLE=delivery',
    ])
  })

  test('refuses a Node.js below 26.12.1 before it changes anything', () => {
    const old = join(directory, 'old-node')
    writeFileSync(old, '#!/bin/sh\necho v26.12.0\n', { mode: 0o755 })
    const refused = run('sh', [`${ROOT}deploy/systemd/install.sh`, old], { DESTDIR: join(directory, 'nothing') })
    assert.equal(refused.status, 1)
    assert.ok(!existsSync(join(directory, 'nothing')))
  })
})

describe('the unit', () => {
  test('is understood by systemd without a word of complaint', () => {
    const verified = run('systemd-analyze', ['verify', '--man=no', `--root=${target}`, 'hermetic.service'])
    assert.deepEqual(verified, { status: 0, text: '' })
  })

  test('exposes little', (t) => {
    const judged = run('systemd-analyze', ['security', '--offline=true', `--root=${target}`, 'hermetic.service'])
    const [, score = 'none'] = /Overall exposure level for hermetic\.service: (\d+\.\d)/.exec(judged.text) ?? []
    t.diagnostic(`systemd-analyze security: exposure ${score} of 10`)
    for (const line of judged.text.split('\n').filter((one) => one.startsWith('✗'))) t.diagnostic(line.trim())
    assert.ok(Number(score) <= WORST_EXPOSURE, judged.text)
  })

  test('sets variables that the relay knows, and calls verbs that it has', async () => {
    using lab = new TerminalLab()
    const file = lab.file('hermetic.toml', 'hostname = "relay.example.com"\n')
    const variables = [...UNIT.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value])
    lab.env = Object.fromEntries(variables)
    const { code, out, err } = await lab.run('check-config', '--json', '--config', file)
    assert.equal(code, 0, err)
    assert.equal(JSON.parse(out).data_dir, '/var/lib/hermetic')
    const verbs = [...UNIT.matchAll(/^Exec\w+=\/usr\/local\/bin\/hermetic (\S+)$/gm)].map(([, verb = '']) => verb)
    assert.deepEqual(verbs, ['check-config', 'start', 'reload'])
    for (const verb of verbs) assert.equal((await lab.run(verb, '--help')).code, 0)
  })

  test('has a user and directories that systemd makes of its files', () => {
    const users = run('systemd-sysusers', [`--root=${target}`, 'hermetic.conf'])
    assert.equal(users.status, 0, users.text)
    assert.match(
      readFileSync(join(target, 'etc/passwd'), 'utf8'),
      /^hermetic:.*:\/var\/lib\/hermetic:\/usr\/sbin\/nologin$/m,
    )
    const directories = run('systemd-tmpfiles', [`--root=${target}`, '--create', 'hermetic.conf'])
    assert.equal(directories.status, 0, directories.text)
    assert.ok(existsSync(join(target, 'var/lib/hermetic')))
  })

  test('allows every system call that a relay makes, as a user without rights', async () => {
    const allowed = systemCalls()
    const made = await callsOfARelay()
    assert.ok(made.size > 40, 'strace saw the relay')
    assert.deepEqual([...made].filter((call) => !allowed.has(call)).sort(), [])
  })
})

function run(file: string, words: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { status, stdout, stderr } = spawnSync(file, words, {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_COLORS: '0', LC_ALL: 'C.UTF-8', ...environment },
  })
  return { status, text: `${stdout}${stderr}`.trim() }
}

/** What the lines SystemCallFilter= of the unit leave, beside @default, which is always allowed. */
function systemCalls(): ReadonlySet<string> {
  const sets = new Map<string, string[]>()
  let members: string[] = []
  for (const line of run('systemd-analyze', ['syscall-filter']).text.split('\n')) {
    const word = line.trim()
    if (line.startsWith('@')) {
      members = []
      sets.set(word, members)
    } else if (/^[@a-z0-9_-]+$/.test(word)) members.push(word)
  }
  const all = (name: string): readonly string[] =>
    (sets.get(name) ?? []).flatMap((one) => (one.startsWith('@') ? all(one) : [one]))
  const allowed = new Set(all('@default'))
  for (const [, not = '', set = ''] of UNIT.matchAll(/^SystemCallFilter=(~?)(@[\w-]+)$/gm)) {
    assert.ok(sets.has(set), `systemd knows ${set}`)
    for (const call of all(set)) not === '~' ? allowed.delete(call) : allowed.add(call)
  }
  return allowed
}

/** Started, asked and stopped under strace. */
async function callsOfARelay(): Promise<ReadonlySet<string>> {
  const data = join(directory, 'state')
  mkdirSync(data)
  chownSync(data, NOBODY, NOBODY)
  const config = join(directory, 'hermetic.toml')
  writeFileSync(
    config,
    `hostname = "relay.hermetic.test"\ndata_dir = "${data}"\n[[listener]]\nkind = "submission"\nport = 0\n[dns]\nservers = ["127.0.0.1:9"]\ntrust = "none"\n[metrics]\nlisten = "127.0.0.1:0"\n`,
  )
  const counts = join(data, 'calls')
  const user = ['setpriv', '--reuid', `${NOBODY}`, '--regid', `${NOBODY}`, '--clear-groups', '--no-new-privs']
  const hermetic = [process.execPath, `${ROOT}packages/mta/src/cli/main.ts`]
  const words = [...user.slice(1), 'strace', '-f', '-c', '-o', counts, ...hermetic, 'start', '--config', config]
  const relay = spawn('setpriv', words, { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [relay.stdout, relay.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()))
  try {
    const giveUpAt = performance.now() + READY_MS
    while (!output.includes('"relay-ready"')) {
      assert.ok(relay.exitCode === null && performance.now() < giveUpAt, output)
      await sleep(50)
    }
    const asked = run('setpriv', [...user.slice(1), ...hermetic, 'status', '--alive', '--config', config])
    assert.equal(asked.status, 0, asked.text)
    const [, pid] = /"pid":(\d+)/.exec(output) ?? []
    if (pid === undefined) relay.kill('SIGINT')
    else process.kill(Number(pid), 'SIGTERM')
    await once(relay, 'exit')
  } finally {
    relay.kill('SIGKILL')
  }
  const table = readFileSync(counts, 'utf8').split('\n')
  return new Set(
    table.flatMap((line) => /^ *\d.*\s([a-z]\w+)$/.exec(line)?.[1] ?? []).filter((name) => name !== 'total'),
  )
}
