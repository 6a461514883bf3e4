/** A `spool.db` as version 1 of its schema had it, for the test of the way from there. Never changed: such files are out there. */
import { hash } from 'node:crypto'
import { DatabaseSync } from 'node:sqlite'

const TABLES = `
  CREATE TABLE message (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    envelope TEXT NOT NULL,
    sender TEXT NOT NULL,
    message_id_header TEXT,
    received_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    size INTEGER NOT NULL,
    sha256 BLOB NOT NULL,
    in_file INTEGER NOT NULL,
    content BLOB
  ) STRICT;
  CREATE INDEX message_in_file ON message (size) WHERE in_file = 1;

  CREATE TABLE delivery (
    row INTEGER PRIMARY KEY,
    lane TEXT NOT NULL,
    state INTEGER NOT NULL,
    reason TEXT,
    due_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    delay_notice_at INTEGER,
    recipients TEXT NOT NULL,
    open INTEGER NOT NULL,
    domains TEXT NOT NULL,
    settlements TEXT NOT NULL
  ) STRICT;
  CREATE INDEX delivery_due ON delivery (lane, due_at) WHERE state = 0;
  CREATE INDEX delivery_stopped ON delivery (state) WHERE state IN (1, 2);

  CREATE TABLE lane (id TEXT NOT NULL PRIMARY KEY, due_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE INDEX lane_due ON lane (due_at, id);

  CREATE TABLE tombstone (id TEXT NOT NULL PRIMARY KEY, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), at INTEGER NOT NULL) STRICT;
`

export interface MessageOfVersion1 {
  readonly id: string
  readonly lane: string
  readonly requireTls: boolean
}

const NEXT_HOP = { kind: 'literal', family: 4, address: '192.0.2.1' } as const
const CONTENT = Buffer.from('Hello\n')

export function writeStoreOfVersion1(path: string, messages: readonly MessageOfVersion1[]): void {
  const db = new DatabaseSync(path)
  db.exec(`PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; BEGIN; ${TABLES}`)
  const message = db.prepare('INSERT INTO message VALUES (?, ?, ?, ?, NULL, ?, ?, ?, ?, 0, ?)')
  const delivery = db.prepare("INSERT INTO delivery VALUES (?, ?, 0, NULL, ?, 0, NULL, ?, 1, ' [192.0.2.1] ', '[]')")
  const lane = db.prepare('INSERT OR IGNORE INTO lane VALUES (?, ?)')
  for (const [at, { id, lane: name, requireTls }] of messages.entries()) {
    const seq = at + 1
    const origin = { kind: 'network', address: '127.0.0.1' }
    const envelope = {
      reversePath: { localPart: 'sender', domain: NEXT_HOP },
      body: '7bit',
      smtpUtf8: false,
      requireTls,
      dsn: { envid: 'x' },
      size: CONTENT.length,
      origin,
    }
    const recipient = { index: 0, address: { localPart: 'r', domain: NEXT_HOP }, state: 'open', ambiguousCount: 0 }
    const digest = hash('sha256', CONTENT, 'buffer')
    message.run(seq, id, JSON.stringify(envelope), 's@[192.0.2.1]', seq, seq + 1e13, CONTENT.length, digest, CONTENT)
    delivery.run(seq * 65_536, name, seq, JSON.stringify([recipient]))
    lane.run(name, seq)
  }
  db.exec(`PRAGMA application_id = ${0x486d7463}; PRAGMA user_version = 1; COMMIT`)
  db.close()
}
