/**
 * The image without a container engine: the scripts that its Dockerfile runs, in a plain directory; then the program
 * that they made, as the image's user, with everything but its data_dir read-only.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { shippedPackages } from '../../tools/shipped-packages.ts'

const ROOT = new URL('../../', import.meta.url).pathname
const IMAGE = `${ROOT}deploy/image/`
/** As in runtime-steps.sh. */
const USER = 10_001
const READY_MS = 20_000

let directory: string
let app: string

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'hermetic-image-'))
  chmodSync(directory, 0o755)
  app = join(directory, 'app')
})
after(() => rmSync(directory, { recursive: true, force: true }))

describe('the gate of the image', () => {
  const judge = (answer: string): number | null => {
    const node = join(directory, 'a-node')
    writeFileSync(node, `#!/bin/sh\n${answer}\n`, { mode: 0o755 })
    return spawnSync('sh', [`${IMAGE}check-node.sh`, node]).status
  }

  for (const version of ['26.12.1', '26.12.2', '26.13.0', '26.100.0', '27.0.0', '30.1.2']) {
    test(`lets Node.js ${version} in`, () => assert.equal(judge(`echo v${version}`), 0))
  }
  for (const version of ['26.12.0', '26.10.0', '26.9.9', '25.99.9', '24.22.1', '20.20.2', '8.0.0']) {
    test(`stops the build on Node.js ${version}`, () => assert.equal(judge(`echo v${version}`), 1))
  }
  for (const [what, answer] of [
    ['a release candidate', 'echo v26.12.1-rc.1'],
    ['a nightly', 'echo v27.0.0-nightly20261101abcdef'],
    ['two numbers', 'echo v26.12'],
    ['four numbers', 'echo v26.12.1.1'],
    ['no number', 'echo v26.x.1'],
    ['silence', 'true'],
    ['a program that fails', 'exit 3'],
  ] as const) {
    test(`stops the build on ${what}`, () => assert.equal(judge(answer), 1))
  }

  test('stops the build where there is no Node.js at all', () => {
    assert.equal(spawnSync('sh', [`${IMAGE}check-node.sh`, join(directory, 'absent')]).status, 1)
  })
})

describe('the Dockerfile', () => {
  const lines = readFileSync(`${IMAGE}Dockerfile`, 'utf8').replaceAll('\\\n', ' ').split('\n')

  test('runs these scripts and nothing else', () => {
    const commands = lines.filter((line) => line.startsWith('RUN ')).flatMap((line) => line.slice(4).split(' && '))
    assert.deepEqual(
      commands.map((command) => command.trim()),
      [
        'sh deploy/image/check-node.sh',
        'sh deploy/image/build-steps.sh /source /app',
        'sh /tmp/steps/check-node.sh',
        'sh /tmp/steps/runtime-steps.sh',
        'rm -rf /tmp/steps',
      ],
    )
  })

  test('begins both stages with the image that is asked for, and ends as a user without rights', () => {
    const from = lines.filter((line) => line.startsWith('FROM '))
    assert.ok(from.length === 2 && from.every((line) => line.startsWith('FROM $' + '{NODE_IMAGE}')))
    assert.deepEqual(
      lines.filter((line) => line.startsWith('USER ')),
      [`USER ${USER}:${USER}`],
    )
    assert.match(readFileSync(`${IMAGE}runtime-steps.sh`, 'utf8'), new RegExp(`^id=${USER}$`, 'm'))
  })
})

describe('the program in the image', () => {
  before(() => {
    const built = spawnSync('sh', [`${IMAGE}build-steps.sh`, ROOT, app], { encoding: 'utf8' })
    assert.equal(built.status, 0, built.stderr + built.stdout)
  })

  test('brings exactly the packages that NOTICE names', () => {
    const installed = readdirSync(join(app, 'node_modules/.pnpm'))
      .filter((name) => name.includes('@'))
      .map((name) => name.replace('+', '/').replace(/_.*$/, ''))
    const shipped = shippedPackages(new URL('../../packages/mta/', import.meta.url))
    assert.deepEqual(installed.sort(), shipped.map(({ name, version }) => `${name}@${version}`).sort())
    const notice = readFileSync(join(app, 'NOTICE'), 'utf8')
    for (const one of installed) assert.ok(notice.includes(`  ${one} `), `${one} is not in NOTICE`)
  })

  test('brings no tests, and nothing that others may write', () => {
    const tests = ['-name', '*.test.ts', '-o', '-name', '*.contract.ts', '-o', '-name', '*.fixture.ts']
    const words = [join(app, 'packages'), '-name', 'node_modules', '-prune', '-o', '(', ...tests, ')', '-print']
    assert.equal(spawnSync('find', words, { encoding: 'utf8' }).stdout, '')
    const writable = spawnSync('find', [app, '-not', '-type', 'l', '-perm', '/022'], { encoding: 'utf8' })
    assert.equal(writable.stdout, '')
  })

  test('runs as nobody in particular on a read-only root, answers its health check, and stops in order', async () => {
    const data = join(directory, 'state')
    mkdirSync(data)
    chownSync(data, USER, USER)
    const config = join(directory, 'hermetic.toml')
    writeFileSync(
      config,
      '[[listener]]\nkind = "submission"\nport = 0\n[dns]\nservers = ["127.0.0.1:9"]\ntrust = "none"\n[metrics]\nlisten = "127.0.0.1:0"\n',
    )
    const inImage = (...words: readonly string[]) => ({
      file: 'unshare',
      words: ['--mount', 'sh', '-c', READ_ONLY, 'sh', app, data, config, dirname(process.execPath), ...words],
    })
    const start = inImage('start')
    const relay = spawn(start.file, start.words, { stdio: ['ignore', 'pipe', 'pipe'] })
    let output = ''
    for (const stream of [relay.stdout, relay.stderr]) stream.on('data', (text: Buffer) => (output += text.toString()))
    try {
      const check = inImage(...healthCheck())
      const giveUpAt = performance.now() + READY_MS
      while (spawnSync(check.file, check.words).status !== 0) {
        assert.ok(relay.exitCode === null && performance.now() < giveUpAt, output)
        await sleep(100)
      }
      assert.match(readFileSync(`/proc/${relay.pid}/status`, 'utf8'), new RegExp(`^Uid:\\s+${USER}\\s`, 'm'))
      assert.match(readFileSync(`/proc/${relay.pid}/status`, 'utf8'), /^CapEff:\s+0+$/m)
      relay.kill('SIGTERM')
      const [code] = await once(relay, 'exit')
      assert.equal(code, 0, output)
      assert.notEqual(spawnSync(check.file, check.words).status, 0, 'the health check of a dead relay fails')
    } finally {
      relay.kill('SIGKILL')
    }
  })
})

/** The verb and its options as the image's HEALTHCHECK has them. */
function healthCheck(): readonly string[] {
  const [, words = '[]'] = /^HEALTHCHECK .* CMD (\[.*\])$/m.exec(readFileSync(`${IMAGE}Dockerfile`, 'utf8')) ?? []
  const [command, ...rest] = JSON.parse(words)
  assert.equal(command, 'hermetic')
  return rest
}

/** The last lines are what the command in the image does. */
const READ_ONLY = `
set -eu
app=$1 data=$2 config=$3 node=$4
shift 4
mount --bind "$data" "$data"
mount -o remount,bind,ro /
if touch "$app/x" 2>/dev/null; then echo 'the root is not read-only' >&2; exit 9; fi
cd "$data"
exec setpriv --reuid ${USER} --regid ${USER} --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all \\
  env -i PATH="$node:/usr/sbin:/usr/bin:/sbin:/bin" HERMETIC_HOSTNAME=relay.hermetic.test \\
  HERMETIC_CONFIG="$config" HERMETIC_DATA_DIR="$data" NODE_ENV=production \\
  node "$app/packages/mta/src/cli/main.ts" "$@"
`
