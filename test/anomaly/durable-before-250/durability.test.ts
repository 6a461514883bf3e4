import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { durabilityFindings, type Finding, type Submitted } from './durability.ts'
import { parseStraceLog } from './strace-log.ts'

const WAL = '19</d/spool.db-wal>'
const SOCKET = '25<TCP:[127.0.0.1:2525->127.0.0.1:41000]>'
const NAME = '0199aaaa-0000-7000-8000-00000000000f'

const GO_AHEAD = String.raw`write(${SOCKET}, "354 go\r\n", 8) = 8`
const QUEUED = String.raw`write(${SOCKET}, "250 2.0.0 queued\r\n", 18) = 18`
const FRAME = String.raw`pwrite64(${WAL}, "\0\0\0\7\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, 32) = 24`
const PAGE = `pwrite64(${WAL}, "…mark-1 and mark-2…", 4096, 56) = 4096`
const COMMIT = String.raw`pwrite64(${WAL}, "\0\0\0\10\0\0\0\10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 24, 4152) = 24`
const COMMIT_PAGE = `pwrite64(${WAL}, "${NAME}", 4096, 4176) = 4096`
const WAL_SYNC = `fdatasync(${WAL}) = 0`

const FILE_WRITE = `write(21</d/content/incoming/${NAME}>, "mark-1 mark-2", 13) = 13`
const FILE_SYNC = `fsync(21</d/content/incoming/${NAME}>) = 0`
const RENAME = `rename("/d/content/incoming/${NAME}", "/d/content/0f/${NAME}") = 0`
const DIRECTORY_SYNC = 'fsync(22</d/content/0f>) = 0'
const MADE = 'mkdir("/d/content/0f", 0700) = 0'
const PARENT_SYNC = 'fsync(22</d/content>) = 0'

const INLINE = [GO_AHEAD, FRAME, PAGE, COMMIT, COMMIT_PAGE, WAL_SYNC, QUEUED]
const FILE = [
  GO_AHEAD,
  FILE_WRITE,
  FILE_SYNC,
  MADE,
  PARENT_SYNC,
  RENAME,
  DIRECTORY_SYNC,
  COMMIT,
  COMMIT_PAGE,
  WAL_SYNC,
  QUEUED,
]

function problemOf(lines: readonly string[], content: Submitted['content']): Finding['problem'] | undefined {
  const calls = parseStraceLog(lines.map((line) => `71 ${line}`).join('\n'))
  const submitted: Submitted = { clientPort: 41000, marks: [['mark-1', 'mark-2']], content }
  return durabilityFindings(calls, [submitted], 'spool.db-wal')[0]?.problem
}

const without = (lines: readonly string[], line: string) => lines.filter((one) => one !== line)

/** The same calls with one of them moved behind another. */
function moved(lines: readonly string[], { line, behind }: { readonly line: string; readonly behind: string }) {
  const rest = without(lines, line)
  return rest.toSpliced(rest.indexOf(behind) + 1, 0, line)
}

describe('durability of a 250, inline content', () => {
  it('is proven by write, commit frame, sync and 250 in this order', () => {
    assert.equal(problemOf(INLINE, 'inline'), undefined)
  })

  it('is proven when the commit frame itself holds the bytes', () => {
    const frame = COMMIT.replace('24, 4152', '24, 32')
    assert.equal(problemOf([GO_AHEAD, frame, PAGE, WAL_SYNC, QUEUED], 'inline'), undefined)
  })

  for (const [title, lines, problem] of [
    ['no 250 was sent', without(INLINE, QUEUED), 'no-250'],
    ['the only 250 came before the content', [QUEUED, ...without(INLINE, QUEUED)], 'no-250'],
    ['the bytes are in no write', without(INLINE, PAGE), 'bytes-not-written'],
    ['nothing was synced', without(INLINE, WAL_SYNC), 'bytes-not-synced'],
    [
      'the sync failed',
      INLINE.map((line) => line.replace(/(fdatasync.*) = 0$/, '$1 = -1 EIO (I/O error)')),
      'bytes-not-synced',
    ],
    ['the 250 came before the sync', moved(INLINE, { line: QUEUED, behind: COMMIT_PAGE }), 'bytes-not-synced'],
    ['the sync came before the bytes', moved(INLINE, { line: PAGE, behind: WAL_SYNC }), 'bytes-not-synced'],
    [
      'another file was synced',
      INLINE.map((line) => line.replace('fdatasync(19</d/spool.db-wal>', 'fdatasync(18</d/spool.db>')),
      'bytes-not-synced',
    ],
    [
      'the commit frame came after the sync',
      moved(INLINE, { line: COMMIT, behind: WAL_SYNC }),
      'no-commit-frame-synced',
    ],
  ] as const) {
    it(`is not proven when ${title}`, () => {
      assert.equal(problemOf(lines, 'inline'), problem)
    })
  }

  it('is not proven when the 250 began while the sync was still running', () => {
    const lines = [...INLINE.slice(0, 5), `fdatasync(${WAL} <unfinished ...>`].map((line) => `71 ${line}`)
    const calls = parseStraceLog([...lines, `70 ${QUEUED}`, '71 <... fdatasync resumed>) = 0'].join('\n'))
    const submitted: Submitted = { clientPort: 41000, marks: [['mark-1', 'mark-2']], content: 'inline' }
    assert.equal(durabilityFindings(calls, [submitted], 'spool.db-wal')[0]?.problem, 'bytes-not-synced')
  })
})

describe('durability of a 250, content in a file', () => {
  it('is proven by write, sync, rename, directory sync, envelope, sync and 250 in this order', () => {
    assert.equal(problemOf(FILE, 'file'), undefined)
  })

  it('needs no parent sync for a directory that was there', () => {
    assert.equal(problemOf(without(without(FILE, MADE), PARENT_SYNC), 'file'), undefined)
  })

  for (const [title, lines, problem] of [
    ['the bytes are in no write', without(FILE, FILE_WRITE), 'bytes-not-written'],
    ['the file was not synced', without(FILE, FILE_SYNC), 'file-not-synced-before-rename'],
    [
      'the file was synced after the rename',
      moved(FILE, { line: FILE_SYNC, behind: RENAME }),
      'file-not-synced-before-rename',
    ],
    ['the file kept its first name', without(FILE, RENAME), 'file-not-renamed'],
    ['the directory was not synced', without(FILE, DIRECTORY_SYNC), 'directory-not-synced'],
    [
      'the directory was synced before the rename',
      moved(FILE, { line: DIRECTORY_SYNC, behind: PARENT_SYNC }),
      'directory-not-synced',
    ],
    ['the parent of a new directory was not synced', without(FILE, PARENT_SYNC), 'parent-directory-not-synced'],
    ['the envelope was not synced', without(FILE, WAL_SYNC), 'envelope-not-synced-after-file'],
    [
      'the envelope was written first',
      moved(FILE, { line: COMMIT_PAGE, behind: GO_AHEAD }),
      'envelope-not-synced-after-file',
    ],
  ] as const) {
    it(`is not proven when ${title}`, () => {
      assert.equal(problemOf(lines, 'file'), problem)
    })
  }
})

describe('durability of a 250, in the append-only file of Redis', () => {
  const AOF = '7</r/a.aof>'
  const write = (text: string) => `write(${AOF}, "${text}", 99) = 99`
  const [BEGUN, REST] = [String.raw`\r\nMULTI\r\n…mark-1…`, String.raw`…\r\nEXEC\r\n`]
  const PLAIN = String.raw`*2\r\n$7\r\nZPOPMIN\r\n`
  const SYNC = `fdatasync(${AOF}) = 0`

  for (const [title, writes, problem] of [
    ['a whole transaction', [write(BEGUN + REST), SYNC], undefined],
    ['one with a command behind it', [write(BEGUN + REST + PLAIN), SYNC], undefined],
    ['one in two writes', [write(BEGUN), write(REST), SYNC], undefined],
    ['the beginning of one', [write(BEGUN), SYNC, write(REST)], 'no-commit-frame-synced'],
    ['the beginning of one behind another', [write(REST + BEGUN), SYNC, write(REST)], 'no-commit-frame-synced'],
    ['a whole one that is not synced', [SYNC, write(BEGUN + REST)], 'bytes-not-synced'],
  ] as const) {
    it(`${title}: ${problem ?? 'proven'}`, () => {
      const calls = parseStraceLog([GO_AHEAD, ...writes, QUEUED].map((line) => `71 ${line}`).join('\n'))
      const submitted: Submitted = { clientPort: 41000, marks: [['mark-1', 'mark-1']], content: 'inline' }
      assert.equal(durabilityFindings(calls, [submitted], 'a.aof')[0]?.problem, problem)
    })
  }
})
