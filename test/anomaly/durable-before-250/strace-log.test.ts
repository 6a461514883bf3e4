import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { parseStraceLog, parseTimedStraceLog } from './strace-log.ts'

describe('strace log', () => {
  it('reads writes with their file, offset and unescaped bytes', () => {
    const [call] = parseStraceLog(String.raw`71 pwrite64(19</d/spool.db-wal>, "\0\0\1\7a\"b\\\r\n\377", 10, 4152) = 10`)
    assert.ok(call?.kind === 'write')
    assert.equal(call.target, '/d/spool.db-wal')
    assert.equal(call.offset, 4152)
    assert.deepEqual([...call.bytes], [0, 0, 1, 7, 0x61, 0x22, 0x62, 0x5c, 13, 10, 0xff])
  })

  it('reads sends on sockets with both ends, over IPv4 and IPv6, gathered or not', () => {
    const calls = parseStraceLog(
      [
        String.raw`7 write(25<TCP:[127.0.0.1:2525->127.0.0.1:41000]>, "250 2.0.0 ok\r\n", 14) = 14`,
        String.raw`7 writev(26<TCPv6:[[::1]:2525->[::1]:41001]>, [{iov_base="354 ", iov_len=4}, {iov_base="go\r\n", iov_len=4}], 2) = 8`,
      ].join('\n'),
    )
    assert.deepEqual(
      calls.map((call) => call.kind === 'write' && [call.target, call.bytes.toString()]),
      [
        ['TCP:[127.0.0.1:2525->127.0.0.1:41000]', '250 2.0.0 ok\r\n'],
        ['TCPv6:[[::1]:2525->[::1]:41001]', '354 go\r\n'],
      ],
    )
  })

  it('joins a call that other threads interrupted, and keeps where it began and ended', () => {
    const calls = parseStraceLog(
      [
        '71 fdatasync(19</d/spool.db-wal> <unfinished ...>',
        '70 write(25<TCP:[127.0.0.1:1->127.0.0.1:2]>, "x", 1) = 1',
        '71 <... fdatasync resumed>)     = 0',
      ].join('\n'),
    )
    assert.deepEqual(calls.at(-1), { kind: 'sync', target: '/d/spool.db-wal', span: { start: 1, end: 3 } })
  })

  it('leaves out calls that failed and ends that belong to nothing', () => {
    const calls = parseStraceLog(
      [
        '71 fsync(19</d/spool.db-wal>) = -1 EIO (Input/output error)',
        '72 <... fsync resumed>) = 0',
        '73 +++ exited with 0 +++',
        '',
      ].join('\n'),
    )
    assert.deepEqual(calls, [])
  })

  it('reads renames and new directories, with and without directory descriptors', () => {
    const calls = parseStraceLog(
      [
        '7 rename("/d/content/incoming/a", "/d/content/0f/a") = 0',
        '7 renameat2(AT_FDCWD</x>, "/d/b", AT_FDCWD</x>, "/d/c", 0) = 0',
        '7 mkdir("/d/content/0f", 0700) = 0',
      ].join('\n'),
    )
    assert.deepEqual(
      calls.map(({ span: _, ...call }) => call),
      [
        { kind: 'rename', from: '/d/content/incoming/a', to: '/d/content/0f/a' },
        { kind: 'rename', from: '/d/b', to: '/d/c' },
        { kind: 'mkdir', path: '/d/content/0f' },
      ],
    )
  })

  it('reads when calls began and ended, on one line or on two, from a log with times', () => {
    const calls = parseTimedStraceLog(
      [
        '71 1700000000.250000 write(5</d/a.aof>, "x", 1) = 1 <0.500000>',
        '71 1700000001.000000 fdatasync(5</d/a.aof> <unfinished ...>',
        '72 1700000001.125000 write(6</d/b>, "y", 1) = 1 <0.000000>',
        '71 1700000003.500000 <... fdatasync resumed>) = 0 <2.500000>',
        '71 1700000004.000000 +++ exited with 0 +++',
      ].join('\n'),
    )
    assert.deepEqual(
      calls.map(({ kind, span }) => [kind, span.start - 1_700_000_000, span.end - 1_700_000_000]),
      [
        ['write', 0.25, 0.75],
        ['write', 1.125, 1.125],
        ['sync', 1, 3.5],
      ],
    )
  })
})
