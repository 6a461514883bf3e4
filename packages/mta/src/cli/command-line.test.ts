import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { covers } from '../../../../test/conformance/covers.ts'
import { TerminalLab } from './terminal-lab.ts'

const VERBS = [
  'start',
  'check-config',
  'describe-config',
  'doctor',
  'explain',
  'credential',
  'queue',
  'status',
  'version',
]

describe('the command line', () => {
  test('without a verb it lists the verbs and the exit codes', async () => {
    using lab = new TerminalLab()
    for (const args of [[], ['--help'], ['help']]) {
      const { code, out } = await lab.run(...args)
      assert.equal(code, 0)
      for (const verb of VERBS) assert.match(out, new RegExp(`^  ${verb} `, 'm'))
      assert.match(out, /Exit codes: 0 done, 1 .*2 .*\n?78/s)
    }
  })

  for (const verb of VERBS) {
    test(`${verb} --help tells usage, and examples when there is something to show`, async () => {
      using lab = new TerminalLab()
      const { code, out } = await lab.run(verb, '--help')
      assert.equal(code, 0)
      assert.match(out, new RegExp(`^Usage: hermetic ${verb}`))
      if (verb !== 'version') assert.match(out, /^Examples?:\n {2}hermetic /m)
      assert.deepEqual((await lab.run('help', verb)).out, out)
    })
  }

  for (const [args, text] of [
    [['strat'], 'hermetic: strat is not a verb; did you mean start?'],
    [['frobnicate'], 'hermetic: frobnicate is not a verb; hermetic --help lists the verbs'],
    [['__proto__'], 'hermetic: __proto__ is not a verb; hermetic --help lists the verbs'],
    [['check-config', '--confg', 'x'], 'hermetic check-config: unknown option --confg; did you mean --config?'],
    [['check-config', 'x'], 'hermetic check-config: too many words: x'],
    [
      ['queue'],
      'hermetic queue: write one of: list, show, retry, hold, release, cancel, reroute, summary, export, import, rebuild',
    ],
    [['queue', 'retyr'], 'hermetic queue: queue retyr does not exist; did you mean retry?'],
    [['queue', 'show'], 'hermetic queue: queue ids missing'],
    [['queue', 'show', 'x'], 'hermetic queue: "x" is not a queue id; hermetic queue list shows them'],
    [['queue', 'cancel'], 'hermetic queue: write which messages: ids, a filter, or --all'],
    [['queue', 'list', '--state', 'lost'], 'hermetic queue: --state is queued, held or quarantined'],
    [['queue', 'list', '--domain', 'a b'], 'hermetic queue: --domain a b is not a domain'],
    [['queue', 'list', '--lane', 'x'], 'hermetic queue: --lane x is not a lane; they look like mx:example.com:25'],
    [['queue', 'list', '--sender', 'x'], 'hermetic queue: --sender x is not a mail address'],
    [['queue', 'list', '--limit', '0'], 'hermetic queue: --limit is a number from 1 to 1000000'],
    [['queue', 'cancel', '--all', '--domain', 'example.com'], 'hermetic queue: --all and a filter exclude each other'],
    [['queue', 'retry', '--all', '--to', 'x.test'], 'hermetic queue: --to belongs to queue reroute'],
    [
      ['queue', 'reroute', '--all', '--to', 'x.test', '--default'],
      'hermetic queue: --to and --default exclude each other',
    ],
    [['queue', 'reroute', '--all', '--policy-too'], 'hermetic queue: --policy-too belongs to --to'],
    [['queue', 'retry', '--all', '--notify'], 'hermetic queue: --notify belongs to queue cancel'],
    [['queue', 'list', '--yes'], 'hermetic queue: --yes belongs to an order, with filters or --all'],
    [['queue', 'retry', '--all', '--reason', 'x'], 'hermetic queue: --reason belongs to queue hold'],
    [['trace', 'x@example.com', '--limit', '0x10'], 'hermetic trace: --limit takes a whole number from 1 to 100'],
    [['credential'], 'hermetic credential: write one of: add, list, remove'],
    [['credential', 'remvoe', 'x'], 'hermetic credential: did you mean credential remove?'],
    [['credential', 'add'], 'hermetic credential: user name missing'],
    [
      ['credential', 'add', 'x', '--sender', 'nobody'],
      'hermetic credential: allowed sender "nobody" is not an address, @domain, @*.domain or an address with one * before the @',
    ],
    [['explain'], 'hermetic explain: domain missing'],
    [['explain', 'a b'], 'hermetic explain: "a b" is neither a domain nor a mail address'],
    [['explain', '@'], 'hermetic explain: "@" is neither a domain nor a mail address'],
    [['explain', 'example.com', '--conect'], 'hermetic explain: unknown option --conect; did you mean --connect?'],
    [['doctor', '--to', '..'], 'hermetic doctor: --to .. is not a domain'],
  ] as const) {
    test(`"${args.join(' ')}" is refused with a hint, exit code 2, no stack`, async () => {
      using lab = new TerminalLab()
      lab.file('hermetic.toml', '')
      mkdirSync(join(lab.directory, 'data'))
      const { code, out, err } = await lab.run(...args)
      assert.doesNotMatch(err, /\n {4}at /)
      assert.equal(out, '')
      assert.equal(code, 2)
      assert.equal(err.split('\n')[0], text)
    })
  }
})

describe('check-config', () => {
  test('tells every problem with file, line and remedy, and exits with 78', async () => {
    using lab = new TerminalLab()
    const file = lab.file('hermetic.toml', 'hostname = "relay"\n[queue]\nmax_byte = "1 GiB"\n')
    const { code, out, err } = await lab.run('check-config')
    assert.equal(code, 78)
    assert.equal(out, '')
    assert.deepEqual(err.split('\n'), [
      'The configuration has 2 problems:',
      `  ${file}:1:1: hostname is not a full name: "relay" has no domain; write the name with its domain, e.g. "relay.example.com"`,
      `  ${file}:3:1: queue.max_byte is not a setting; did you mean max_bytes?`,
      '',
    ])
  })

  test('a file that was named must be there', async () => {
    using lab = new TerminalLab()
    const { code, err } = await lab.run('check-config', '--config', 'missing.toml')
    assert.equal(code, 78)
    assert.match(err, /missing\.toml: cannot be read \(no such file or directory\)/)
  })

  test('what describe-config prints is a configuration', async () => {
    using lab = new TerminalLab()
    const { out: text } = await lab.run('describe-config')
    lab.file('hermetic.toml', text)
    const { code, out } = await lab.run('check-config')
    assert.equal(code, 0)
    assert.match(out, /: no problems\.\n\n {2}name /)
  })

  test('SMTP-33: a changed timer takes effect without rebuilding, as the program itself shows', async () => {
    covers('SMTP-33', { observe: 'store' })
    using lab = new TerminalLab()
    lab.file('hermetic.toml', '[delivery.timeouts]\nmail = "7s"\n')
    const shown = JSON.parse((await lab.run('check-config', '--json')).out)
    assert.equal(shown.delivery.timeouts.mail, 7_000)
    assert.equal(shown.delivery.timeouts.rcpt, 300_000)
  })

  test('SMTP-05: the program itself refuses a name that is not full, before anything is opened', async () => {
    covers('SMTP-05', { observe: 'store' })
    using lab = new TerminalLab()
    const file = lab.file('hermetic.toml', 'hostname = "relay"\n')
    for (const verb of ['check-config', 'start']) {
      const failure = await hermetic(lab.directory, verb)
      assert.equal(failure.code, 78)
      assert.match(failure.stderr, /hermetic\.toml:1:1: hostname is not a full name: "relay" has no domain/)
      assert.equal(failure.stdout, '')
    }
    assert.throws(() => statSync(join(lab.directory, 'data')), { code: 'ENOENT' })
    assert.equal(readFileSync(file, 'utf8'), 'hostname = "relay"\n')
  })

  test('secrets show as [redacted]', async () => {
    using lab = new TerminalLab()
    const { out: printed, err } = await lab.run('credential', 'add', 'shop', '--sender', '@example.com', '--print')
    const secret = /secret: (\S+)/.exec(err)?.[1] ?? ''
    assert.ok(secret.length >= 27 && !printed.includes(secret))
    lab.file('hermetic.toml', printed)
    const { code, out } = await lab.run('check-config', '--json')
    assert.equal(code, 0)
    assert.deepEqual(JSON.parse(out).credential, [
      {
        username: 'shop',
        secret_hash: '[redacted]',
        allowed_senders: ['@example.com'],
        check_from: true,
        priority: 0,
      },
    ])
  })
})

describe('credential', () => {
  test('add shows a secret once and keeps its hash; list and remove know it', async () => {
    using lab = new TerminalLab()
    const added = await lab.run('credential', 'add', 'shop', '--sender', 'app@example.com')
    assert.equal(added.code, 0)
    const secret = /^secret: +(\S+)$/m.exec(added.out)?.[1] ?? ''
    const kept = join(lab.directory, 'data', 'credentials.json')
    assert.ok(secret.length >= 27 && !readFileSync(kept, 'utf8').includes(secret))
    assert.equal(statSync(kept).mode & 0o777, 0o600)
    assert.equal(statSync(join(lab.directory, 'data')).mode & 0o777, 0o700)

    assert.match((await lab.run('credential', 'list')).out, /^shop +credentials\.json +- +app@example\.com$/m)
    assert.equal((await lab.run('credential', 'remove', 'shop')).code, 0)
    assert.deepEqual(await lab.run('credential', 'remove', 'shop'), {
      code: 1,
      out: '',
      err: 'There is no login shop.\n',
    })
    assert.match((await lab.run('credential', 'list')).out, /no logins/)
  })

  test('a damaged file is told and not overwritten', async () => {
    using lab = new TerminalLab()
    mkdirSync(join(lab.directory, 'data'))
    lab.file('data/credentials.json', '{')
    const { code, err } = await lab.run('credential', 'add', 'shop')
    assert.equal(code, 1)
    assert.match(err, /credentials\.json: not JSON\n$/)
    assert.equal(readFileSync(join(lab.directory, 'data', 'credentials.json'), 'utf8'), '{')
  })

  test('a data_dir that cannot be made is told in words', async () => {
    using lab = new TerminalLab()
    lab.file('hermetic.toml', 'data_dir = "hermetic.toml/data"\n')
    const { code, err } = await lab.run('credential', 'add', 'shop')
    assert.equal(code, 1)
    assert.match(err, /^hermetic credential: .*hermetic\.toml\/data: part of the path is not a directory\n$/)
  })
})

test('output that finds a full disk is told in words; output that nobody reads is no error', async () => {
  for (const [place, code, told] of [
    ['> /dev/full', '1', 'hermetic: the output could not be written: the disk is full\n'],
    ['| true', '0', ''],
  ] as const) {
    const command = `exec 3>&1; { "$0" "$1" describe-config; echo $? >&3; } ${place}`
    const { stdout, stderr } = await promisify(execFile)('/bin/sh', ['-c', command, process.execPath, MAIN])
    assert.deepEqual([stdout, stderr], [`${code}\n`, told], place)
  }
})

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url))

async function hermetic(
  directory: string,
  ...args: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  const env = { PATH: process.env['PATH'] ?? '' }
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [MAIN, ...args], { cwd: directory, env })
    return { code: 0, stdout, stderr }
  } catch (error) {
    if (!(error instanceof Error) || !('code' in error) || !('stdout' in error) || !('stderr' in error)) throw error
    return { code: Number(error.code), stdout: String(error.stdout), stderr: String(error.stderr) }
  }
}
