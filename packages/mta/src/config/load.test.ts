import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { covers } from '../../../../test/conformance/covers.ts'
import { formatDomain } from '../smtp/mail-address.ts'
import { configOf, load, problemsOf } from './config-lab.ts'
import { outline } from './outline.ts'
import { defaultOwnName } from './own-name.ts'
import { configTemplate } from './template.ts'

const HASH = 'sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='

describe('without a file', () => {
  test('submission listens on 127.0.0.1:2587 with STARTTLS and a login', () => {
    const { listener } = configOf(undefined)
    assert.deepEqual(listener, [
      {
        kind: 'submission',
        address: '127.0.0.1',
        port: 2587,
        tls: 'starttls',
        require_auth: true,
        allow_networks: [],
        proxy_networks: [],
        repair_line_ends: false,
        encode_8bit: false,
      },
    ])
  })

  test('the template means the same as no file', () => {
    // Both in one directory, so that the paths are the same.
    const host = { systemName: 'relay.example.com', addresses: [] }
    const withFile = configOf(configTemplate(), { host })
    const without = configOf(undefined, { host })
    assert.deepEqual({ ...withFile, data_dir: '' }, { ...without, data_dir: '' })
  })

  test('the result cannot be changed, however deep', () => {
    const config = configOf(undefined)
    assert.throws(() => Reflect.set(config, 'hostname', 1) || assert.fail('not set'))
    assert.ok(Object.isFrozen(config.delivery.timeouts) && Object.isFrozen(config.listener[0]))
  })
})

const OUTSIDE = 'postmaster = "p@example.com"\nhostname = "relay.example.com"\n'

describe('problems, as they are told', () => {
  const rows: readonly (readonly [rule: string, toml: string, problems: readonly string[]])[] = [
    [
      'a syntax error has its line',
      'hostname = "a.example"\nport = = 5\n',
      ['hermetic.toml:2:8: this is not TOML: unexpected token; correct it; the rest is read after that'],
    ],
    [
      'lists in lists without end',
      `hostname = "a.example"\nport = ${'['.repeat(50_000)}${']'.repeat(50_000)}\n`,
      [
        'hermetic.toml:2:1: this is not TOML: lists or tables are nested too deeply; correct it; the rest is read after that',
      ],
    ],
    [
      'a key without end',
      `hostname = "a.example"\n${'a.'.repeat(50_000)}a = 1\n`,
      [
        'hermetic.toml:2:1: this is not TOML: lists or tables are nested too deeply; correct it; the rest is read after that',
      ],
    ],
    [
      'a key written twice does not hide the others',
      'data_dir = "a"\ndata_dir = "b"\nworkers = 1\n',
      [
        'hermetic.toml:2:1: this key is written twice; remove one of the two',
        'hermetic.toml:3:1: workers is not a setting; remove it; known here: hostname, data_dir, threads, role, postmaster, queue, listener, credential, network_quota, submission, dns, delivery, limit, route, source, dkim, trust, mta_sts, dane, policy_override, egress, tlsrpt, socketmap, suppression, history, metrics, api, log',
      ],
    ],
    [
      'a table written twice',
      '[queue]\nmax_bytes = "1 GiB"\n[queue]\nengine = "embedded"\n',
      [
        'hermetic.toml:3:2: this is not TOML: defining a key multiple times is invalid; correct it; the rest is read after that',
      ],
    ],
    [
      'a typing mistake in a key',
      '[delivery]\nmax_aeg = "5d"\n',
      ['hermetic.toml:2:1: delivery.max_aeg is not a setting; did you mean max_age?'],
    ],
    [
      'a typing mistake in a table',
      '[deliver]\nport = 25\n',
      ['hermetic.toml:1:1: deliver is not a setting; did you mean delivery?'],
    ],
    [
      'a setting in the wrong table',
      '[queue]\nstop_grace = "5s"\n',
      ['hermetic.toml:2:1: queue.stop_grace is not a setting here; write it in [delivery]'],
    ],
    [
      'a setting of several other tables',
      '[metrics]\nport = 9125\n',
      ['hermetic.toml:2:1: metrics.port is not a setting; remove it; known here: listen'],
    ],
    [
      '__proto__ is only an unknown key',
      '[queue]\n__proto__ = 1\n',
      [
        'hermetic.toml:2:1: queue.__proto__ is not a setting; remove it; known here: engine, redis_url, redis_sentinels, redis_master, redis_cluster, redis_username, redis_password, redis_sentinel_username, redis_sentinel_password, redis_database, redis_tls, durability, content_dir, content_url, s3_endpoint, s3_region, s3_access_key_id, s3_secret_access_key, max_bytes',
      ],
    ],
    [
      'a list of tables instead of one',
      '[[metrics]]\nlisten = "127.0.0.1:1"\n',
      ['hermetic.toml:1:1: metrics is a list of tables, but there is only one; write [metrics]'],
    ],
    [
      'one table instead of a list',
      '[listener]\nkind = "submission"\nport = 587\n',
      ['hermetic.toml:1:1: listener is a table, not a list of tables; write [[listener]]'],
    ],
    ['a value instead of a table', 'queue = 5\n', ['hermetic.toml:1:1: queue is a number; write [queue]']],
    [
      'every wrong type in one run',
      [
        '[queue]',
        'engine = "postgres"',
        'max_bytes = 1000',
        '[delivery]',
        'port = "25"',
        'max_age = "5"',
        'stop_grace = "11m"',
        'retry_quick = ["5m", "soon"]',
        '[dns]',
        'servers = ["192.0.2.1", "192.0.2.1:99999", "ns.example"]',
        '[metrics]',
        'listen = "localhost:9125"',
        '[log]',
        'level = "verbose"',
      ].join('\n'),
      [
        'hermetic.toml:2:1: queue.engine cannot be "postgres"; write "embedded" or "redis"',
        'hermetic.toml:3:1: queue.max_bytes is a number, not a string; write a whole number with B, KiB, MiB, GiB or TiB, from "16 MiB" to "512 TiB"',
        'hermetic.toml:5:1: delivery.port is a string, not a number; write a whole number from 1 to 65535',
        'hermetic.toml:6:1: delivery.max_age is not a duration: "5"; write a whole number with ms, s, m, h or d, from "1m" to "30d"',
        'hermetic.toml:7:1: delivery.stop_grace is out of range: "11m"; write a whole number with ms, s, m, h or d, from "0ms" to "10m"',
        'hermetic.toml:8:22: delivery.retry_quick[1] is not a duration: "soon"; write a whole number with ms, s, m, h or d, from "1s" to "1d"',
        'hermetic.toml:10:25: dns.servers[1] is not an address, with port or without: "192.0.2.1:99999"; write an IP address, and a port when it is not 53, e.g. "192.0.2.1" or "[2001:db8::1]:5353"',
        'hermetic.toml:10:44: dns.servers[2] is not an address, with port or without: "ns.example"; write an IP address, and a port when it is not 53, e.g. "192.0.2.1" or "[2001:db8::1]:5353"',
        'hermetic.toml:12:1: metrics.listen is not an address with port: "localhost:9125"; write an IP address and a port, e.g. "127.0.0.1:9125" or "[::1]:9125"',
        'hermetic.toml:14:1: log.level cannot be "verbose"; write "debug" or "info" or "warn" or "error"',
      ],
    ],
    [
      'a string where a list belongs',
      '[dns]\nservers = "192.0.2.1"\n',
      ['hermetic.toml:2:1: dns.servers is a string, not a list; write a list, e.g. ["…"]'],
    ],
    [
      'a missing setting is told at its table',
      '[[listener]]\n',
      [
        'hermetic.toml:1:1: listener[0].kind is missing; write "submission" or "relay"',
        'hermetic.toml:1:1: listener[0].port is missing; write a port number',
      ],
    ],
    [
      'a hash of a secret is not repeated',
      '[[credential]]\nusername = "shop"\nsecret_hash = ["hunter2"]\n',
      [
        'hermetic.toml:3:1: credential[0].secret_hash is a list, not a string; write the hash that `hermetic credential add --print` shows',
      ],
    ],
    [
      'a login that is there twice',
      '[[credential]]\nusername = "a"\nsecret_hash = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="\n[[credential]]\nusername = "a"\nsecret_hash = "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="\n',
      ['hermetic.toml:5:1: credential[1].username is there twice: "a"; remove one, or give it another name'],
    ],
    [
      'a shortest wait that is longer than the longest',
      '[delivery]\nretry_interval = "4h"\n',
      [
        'hermetic.toml:1:1: delivery.retry_interval_max is shorter than retry_interval; write at least "4h", or a shorter retry_interval',
      ],
    ],
    [
      'an address that names a network',
      '[egress]\nsmtp_networks = ["10.0.0.1/8", "10.0.0.0/33", "::1"]\n',
      [
        'hermetic.toml:2:18: egress.smtp_networks[0] has address bits behind its prefix: "10.0.0.1/8"; write "10.0.0.0/8"',
        'hermetic.toml:2:32: egress.smtp_networks[1] is not a network: "10.0.0.0/33"; write an address with a prefix length, e.g. "192.0.2.0/24" or "2001:db8::/32"',
        'hermetic.toml:2:47: egress.smtp_networks[2] is not a network: "::1"; write an address with a prefix length, e.g. "192.0.2.0/24" or "2001:db8::/32"',
      ],
    ],
    [
      'the network of an IPv6 address is named in its shortest form',
      '[egress]\nsmtp_networks = ["2001:DB8:0:0:1::1/44", "::8.8.8.8/100"]\n',
      [
        'hermetic.toml:2:18: egress.smtp_networks[0] has address bits behind its prefix: "2001:DB8:0:0:1::1/44"; write "2001:db8::/44"',
        'hermetic.toml:2:42: egress.smtp_networks[1] has address bits behind its prefix: "::8.8.8.8/100"; write "::/100"',
      ],
    ],
  ]
  for (const [rule, toml, problems] of rows) {
    test(rule, () => assert.deepEqual(problemsOf(toml), problems))
  }

  test('addresses and networks have one form, whoever wrote them', () => {
    const { egress, dns } = configOf(
      '[egress]\nsmtp_networks = ["2001:DB8:0::/032", "::8.8.8.8/128", "10.0.0.0/08"]\n[dns]\nservers = ["2001:0DB8::0001"]\n',
    )
    assert.deepEqual(egress.smtp_networks, ['2001:db8::/32', '::8.8.8.8/128', '10.0.0.0/8'])
    assert.deepEqual(dns.servers, [{ address: '2001:db8::1', port: 53 }])
  })
})

describe('listeners', () => {
  const rows: readonly (readonly [rule: string, toml: string, problems: readonly string[]])[] = [
    [
      'off loopback needs a certificate and a postmaster',
      'hostname = "relay.example.com"\n[[listener]]\nkind = "submission"\naddress = "0.0.0.0"\nport = 587\n',
      [
        'hermetic.toml:4:1: listener[0].address is not loopback (0.0.0.0), so the self-signed certificate cannot be used; write cert_file and key_file',
        'hermetic.toml:4:1: listener[0].address is not loopback, so a postmaster is needed; write postmaster = "postmaster@example.com" above the first table',
      ],
    ],
    [
      'a certificate needs its key',
      '[[listener]]\nkind = "submission"\nport = 587\ncert_file = "c.pem"\n',
      ['hermetic.toml:4:1: listener[0].cert_file has no private key; write key_file too'],
    ],
    [
      'a key needs its certificate',
      '[[listener]]\nkind = "submission"\nport = 587\nkey_file = "k.pem"\n',
      ['hermetic.toml:4:1: listener[0].key_file has no certificate; write cert_file too'],
    ],
    [
      'passwords never cross a network in clear',
      `${OUTSIDE}[[listener]]\nkind = "submission"\naddress = "2001:db8::1"\nport = 587\ntls = "none"\n`,
      [
        'hermetic.toml:7:1: listener[0].tls would send passwords in clear over a network; write "starttls" or "implicit", or require_auth = false',
      ],
    ],
    [
      'a relay listener needs networks',
      '[[listener]]\nkind = "relay"\nport = 2525\n',
      [
        'hermetic.toml:2:1: listener[0].kind is relay, which accepts mail by network; write allow_networks = ["…"] with the networks of your own senders',
      ],
    ],
    [
      'submission without a login needs networks',
      '[[listener]]\nkind = "submission"\nport = 2525\nrequire_auth = false\n',
      [
        'hermetic.toml:4:1: listener[0].require_auth is false, so anybody could relay; write allow_networks = ["…"] with the networks of your own senders',
      ],
    ],
    [
      'half of the internet is not a network of senders',
      '[[listener]]\nkind = "relay"\nport = 2525\nallow_networks = ["10.0.0.0/8", "0.0.0.0/1", "::/0"]\n',
      [
        'hermetic.toml:4:33: listener[0].allow_networks[1] is so wide that this would be an open relay: "0.0.0.0/1"; write the networks of your own senders',
        'hermetic.toml:4:46: listener[0].allow_networks[2] is so wide that this would be an open relay: "::/0"; write the networks of your own senders',
      ],
    ],
    [
      'half of the internet is not a network of proxies',
      '[[listener]]\nkind = "submission"\nport = 2525\nproxy_networks = ["10.0.0.0/8", "0.0.0.0/0"]\n',
      [
        'hermetic.toml:4:33: listener[0].proxy_networks[1] is so wide that strangers could name any client: "0.0.0.0/0"; write the networks of your own proxies',
      ],
    ],
    [
      'a relay listener repairs nothing',
      '[[listener]]\nkind = "relay"\nport = 2525\nallow_networks = ["10.0.0.0/8"]\nrepair_line_ends = true\n',
      [
        'hermetic.toml:5:1: listener[0].repair_line_ends is for submission; a relay listener changes no message; remove it, or write kind = "submission"',
      ],
    ],
    [
      'two on the same port',
      '[[listener]]\nkind = "submission"\nport = 587\n[[listener]]\nkind = "submission"\nport = 587\n',
      ['hermetic.toml:6:1: listener[1].port takes port 587, which another setting takes too; write another port'],
    ],
    [
      'a wildcard takes the port of every address of its family',
      `${OUTSIDE}[[listener]]\nkind = "relay"\naddress = "0.0.0.0"\nport = 25\ntls = "none"\nallow_networks = ["10.0.0.0/8"]\n[[listener]]\nkind = "submission"\naddress = "127.0.0.2"\nport = 25\n`,
      ['hermetic.toml:12:1: listener[1].port takes port 25, which another setting takes too; write another port'],
    ],
    [
      'the port of the metrics is taken too',
      '[[listener]]\nkind = "submission"\nport = 9125\n',
      ['hermetic.toml: metrics.listen takes port 9125, which another setting takes too; write another port'],
    ],
    [
      'a rule says nothing about settings that could not be read',
      '[[listener]]\nkind = "relay"\naddress = "everywhere"\nport = 25\nallow_networks = 5\n',
      [
        'hermetic.toml:3:1: listener[0].address is not an IP address: "everywhere"; write an IPv4 or IPv6 address, e.g. "127.0.0.1" or "::1"',
        'hermetic.toml:5:1: listener[0].allow_networks is a number, not a list; write a list, e.g. ["…"]',
      ],
    ],
    [
      'a certificate that is not there',
      '[[listener]]\nkind = "submission"\nport = 587\ncert_file = "c.pem"\nkey_file = "hermetic.toml"\n',
      [
        'hermetic.toml:4:1: listener[0].cert_file cannot be read (no such file or directory): c.pem; name a readable file that begins with -----BEGIN CERTIFICATE-----',
        'hermetic.toml:5:1: listener[0].key_file has the wrong content: hermetic.toml; name a readable PEM file with an unencrypted private key',
      ],
    ],
  ]
  for (const [rule, toml, problems] of rows) {
    test(rule, () => assert.deepEqual(problemsOf(toml), problems))
  }

  test('free ports do not collide, nor do different addresses', () => {
    const two = (a: string, b: string) =>
      `[[listener]]\nkind = "submission"\n${a}\n[[listener]]\nkind = "submission"\n${b}\n`
    assert.deepEqual(problemsOf(two('port = 0', 'port = 0')), [])
    assert.deepEqual(problemsOf(two('port = 587', 'address = "127.0.0.2"\nport = 587')), [])
    assert.deepEqual(problemsOf(two('port = 587', 'address = "::1"\nport = 587')), [])
  })
})

describe('SMTP-05 our own name is a full name, or an address literal', () => {
  const outside =
    'postmaster = "p@example.com"\n[[listener]]\nkind = "relay"\naddress = "0.0.0.0"\nport = 25\ntls = "none"\nallow_networks = ["10.0.0.0/8"]\n'

  for (const [name, why] of [
    ['relay', 'a single label'],
    ['relay_1.example.com', 'an underscore'],
    ['relay..example.com', 'an empty label'],
    ['-a.example.com', 'a hyphen at the edge'],
    ['192.0.2.1', 'an address without brackets'],
    ['[192.0.2.256]', 'a literal that is no address'],
    ['[fe80::1%eth0]', 'a zone'],
    ['', 'nothing'],
  ] as const) {
    test(`SMTP-05 refuses ${why}`, () => {
      covers('SMTP-05', { observe: 'store' })
      const [problem = '', ...others] = problemsOf(`hostname = "${name}"\n`)
      assert.match(problem, /^hermetic\.toml:1:1: hostname is not a full /)
      assert.deepEqual(others, [])
    })
  }

  test('SMTP-05 a U-label becomes an A-label', () => {
    covers('SMTP-05', { observe: 'store' })
    assert.equal(formatDomain(configOf('hostname = "Büro.example.com"\n').hostname), 'xn--bro-hoa.example.com')
  })

  test('SMTP-05 without a setting: the full name of the system, else a literal of its first IPv4 address', () => {
    covers('SMTP-05', { observe: 'store' })
    const addresses = [
      { family: 6, address: '2001:db8::7' },
      { family: 4, address: '192.0.2.7' },
    ] as const
    for (const [systemName, expected] of [
      ['relay.example.com', 'relay.example.com'],
      ['laptop', '[192.0.2.7]'],
      ['laptop.local', '[192.0.2.7]'],
      ['localhost.localdomain', '[192.0.2.7]'],
      ['build_1.example.com', '[192.0.2.7]'],
    ] as const) {
      assert.equal(formatDomain(defaultOwnName({ systemName, addresses })), expected)
    }
    assert.equal(formatDomain(defaultOwnName({ systemName: '', addresses: [] })), '[127.0.0.1]')
  })

  test('SMTP-05 a literal is refused as soon as a listener is not on loopback', () => {
    covers('SMTP-05', { observe: 'store' })
    assert.deepEqual(problemsOf(`hostname = "[192.0.2.7]"\n${outside}`), [
      'hermetic.toml:1:1: hostname is an address literal, but a listener is not on loopback; write hostname = "relay.example.com" above the first table, with the name that your address has in DNS',
    ])
    assert.deepEqual(problemsOf(outside), [
      'hermetic.toml:4:1: listener[0].address is not loopback, and this system has no full host name; write hostname = "relay.example.com" above the first table, with the name that your address has in DNS',
    ])
    assert.deepEqual(problemsOf(outside, { host: { systemName: 'relay.example.com', addresses: [] } }), [])
    assert.deepEqual(problemsOf('hostname = "[IPv6:2001:db8::1]"\n'), [])
  })
})

test('SMTP-33 every timer can be changed, in the file and from the environment', () => {
  covers('SMTP-33', { observe: 'store' })
  const names = outline
    .filter(({ kind, names }) => kind === 'setting' && names[1] === 'timeouts')
    .map(({ names }) => names[2] ?? '')
  assert.equal(names.length, 12)
  for (const name of names) {
    const inFile = configOf(`[delivery.timeouts]\n${name} = "7s"\n`).delivery.timeouts
    assert.equal(Object.entries(inFile).find(([key]) => key === name)?.[1], 7_000)
    const env = { [`HERMETIC_DELIVERY__TIMEOUTS__${name.toUpperCase()}`]: '8s' }
    const inEnvironment = configOf(undefined, { env }).delivery.timeouts
    assert.equal(Object.entries(inEnvironment).find(([key]) => key === name)?.[1], 8_000)
  }
})

describe('the environment', () => {
  test('wins over the file and adds to it', () => {
    const config = configOf('[queue]\nmax_bytes = "1 GiB"\n[[listener]]\nkind = "submission"\nport = 587\n', {
      env: {
        HERMETIC_HOSTNAME: 'relay.example.com',
        HERMETIC_QUEUE__MAX_BYTES: '20 GiB',
        HERMETIC_LISTENER__0__PORT: '2587',
        HERMETIC_LISTENER__1__KIND: 'relay',
        HERMETIC_LISTENER__1__PORT: '2525',
        HERMETIC_LISTENER__1__ALLOW_NETWORKS: '10.0.0.0/8, 192.0.2.0/24',
        HERMETIC_LISTENER__0__REQUIRE_AUTH: 'true',
        HERMETIC_DNS__SERVERS: '["192.0.2.1"]',
        HERMETIC_NODE: '/usr/bin/node',
        PATH: '/usr/bin',
      },
    })
    assert.equal(config.queue.max_bytes, 20 * 1024 ** 3)
    assert.deepEqual(
      config.listener.map(({ port }) => port),
      [2587, 2525],
    )
    assert.deepEqual(config.listener[1]?.allow_networks, ['10.0.0.0/8', '192.0.2.0/24'])
    assert.deepEqual(config.dns.servers, [{ address: '192.0.2.1', port: 53 }])
  })

  test('a secret can come from a file, and shows nowhere', () => {
    const config = configOf(undefined, {
      files: { secret: `${HASH}\n` },
      env: { HERMETIC_CREDENTIAL__0__USERNAME: 'shop', HERMETIC_CREDENTIAL__0__SECRET_HASH_FILE: 'secret' },
    })
    assert.equal(config.credential[0]?.secret_hash.reveal(), HASH)
    assert.ok(!JSON.stringify(config).includes('47DEQ'))
  })

  const rows: readonly (readonly [rule: string, env: Readonly<Record<string, string>>, problems: readonly string[]])[] =
    [
      [
        'an unknown variable',
        { HERMETIC_QUEUE__MAX_BITES: '1', HERMETIC_FOO: '1' },
        [
          'HERMETIC_FOO: names no setting; unset it; docs/configuration.md lists the settings',
          'HERMETIC_QUEUE__MAX_BITES: names no setting; did you mean HERMETIC_QUEUE__MAX_BYTES?',
        ],
      ],
      [
        'a list item without its index',
        { HERMETIC_LISTENER__PORT: '25' },
        ['HERMETIC_LISTENER__PORT: names no setting; did you mean HERMETIC_LISTENER__0__PORT?'],
      ],
      [
        'an index past the end',
        { HERMETIC_LISTENER__3__PORT: '25' },
        ['HERMETIC_LISTENER__3__PORT: counts past the end: there are 0; use index 0 for the next one'],
      ],
      [
        'a table is not a setting',
        { HERMETIC_QUEUE: '{}' },
        ['HERMETIC_QUEUE: names no setting; unset it; docs/configuration.md lists the settings'],
      ],
      [
        'wrong values',
        {
          HERMETIC_DELIVERY__PORT: 'smtp',
          HERMETIC_DELIVERY__MAX_AGE: '5',
          HERMETIC_DELIVERY__CONCURRENCY: '1\nport = 5',
        },
        [
          'HERMETIC_DELIVERY__CONCURRENCY: is not a number: "1\\nport = 5"; write digits only',
          'HERMETIC_DELIVERY__PORT: is not a number: "smtp"; write digits only',
          'HERMETIC_DELIVERY__MAX_AGE: delivery.max_age is not a duration: "5"; write a whole number with ms, s, m, h or d, from "1m" to "30d"',
        ],
      ],
      [
        'a secret that is set twice',
        {
          HERMETIC_CREDENTIAL__0__USERNAME: 'a',
          HERMETIC_CREDENTIAL__0__SECRET_HASH: HASH,
          HERMETIC_CREDENTIAL__0__SECRET_HASH_FILE: 'there',
        },
        [
          'HERMETIC_CREDENTIAL__0__SECRET_HASH_FILE: sets the same as HERMETIC_CREDENTIAL__0__SECRET_HASH; unset one of the two',
        ],
      ],
      [
        'a secret file that is not there',
        { HERMETIC_CREDENTIAL__0__USERNAME: 'a', HERMETIC_CREDENTIAL__0__SECRET_HASH_FILE: 'missing' },
        [
          'HERMETIC_CREDENTIAL__0__SECRET_HASH_FILE: names a file that cannot be read: no such file or directory; name a readable file',
          'HERMETIC_CREDENTIAL__0__USERNAME: credential[0].secret_hash is missing; write a hash of a secret',
        ],
      ],
      [
        '_FILE is for secrets only',
        { HERMETIC_HOSTNAME_FILE: 'there' },
        ['HERMETIC_HOSTNAME_FILE: names no setting; did you mean HERMETIC_HOSTNAME?'],
      ],
    ]
  for (const [rule, env, problems] of rows) {
    test(rule, () => assert.deepEqual(problemsOf(undefined, { env, files: { there: HASH } }), problems))
  }
})

test('a file that cannot be read is a problem, not a crash', () => {
  const unreadable = load('hostname = "\ud800"', {})
  assert.equal(unreadable.ok, false)
})

test('a data_dir too long for its socket is refused', () => {
  const [problem = ''] = problemsOf(`data_dir = "/${'x'.repeat(100)}"\n`)
  assert.match(problem, /^hermetic\.toml:1:1: data_dir is too long for the socket in it/)
})

test('whatever the file holds, the answer is a result', () => {
  const word = fc.constantFrom(
    '[',
    ']',
    '[[listener]]',
    'port',
    '=',
    '5',
    '"x"',
    '\n',
    'kind',
    '.',
    '{',
    '}',
    ',',
    '"""',
    '#',
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 30 }), (words) => {
      void load(words.join(' '))
    }),
    { numRuns: 200 },
  )
})
