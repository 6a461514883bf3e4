/**
 * The tables of `spool.db`, their version, and the careful opening of the file: one owner at a time, nothing
 * foreign or newer is touched, everything that `accept` promises is switched on before the first write.
 */
import type { DatabaseSync } from 'node:sqlite'
import type { Result } from '@hermetic/policy'
import { openSqliteFile, type SqliteOpenError } from '@hermetic/policy/sqlite-file'
import type { SpoolHooks } from '../faults.ts'

/** "Hmtc", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7463
export const PAGE_BYTES = 4096
const CACHE_KIB = 32 * 1024 // constant, whatever the queue's length
/** The worker runs checkpoints after it has answered; this is only the backstop. */
const AUTO_CHECKPOINT_PAGES = 32_768

export type SpoolOpenError = SqliteOpenError

/**
 * A delivery's row number is its message's, times 65536, plus its place: deliveries of one message stand together,
 * in the order of arrival, in tables whose rows are appended (measured: 40 % less work than keys of text).
 * States: 0 queued, 1 held, 2 quarantined, 3 settled (`sqlite-records.ts`). Recipients are JSON, because they are
 * always read and written with their delivery. `lane.due_at` is a lower bound of what is queued in the lane,
 * lowered with every change and raised lazily; in-flight deliveries count as queued, so that a crash loses no wake.
 */
const SCHEMA_1 = `
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

/**
 * What the sender wants of TLS has three values now (RFC 8689 §4.1). A relay that knows only two would lose one of
 * them, so it must not open such a store.
 */
const SCHEMA_2 = `
  UPDATE message SET envelope = json_set(
    json_remove(envelope, '$.requireTls'),
    '$.tls', iif(envelope ->> '$.requireTls', 'requiretls', 'default'));
`

/** How far a queue file has been taken in, so that none of its messages is taken in again after it was delivered. */
const SCHEMA_3 = `
  CREATE TABLE entered (file TEXT NOT NULL PRIMARY KEY, up_to INTEGER NOT NULL, at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`

/** Mail of one sender is found in a long queue without looking at all of it. */
const SCHEMA_4 = `
  CREATE INDEX message_sender ON message (sender);
`

/**
 * Rules that hold mail, and what each of them holds. Times of the message stand with its deliveries, so that one index
 * in the order of ages finds what is over its age and has all that a summary counts; contents are never read for either.
 */
const SCHEMA_5 = `
  ALTER TABLE delivery ADD COLUMN rule TEXT;
  ALTER TABLE delivery ADD COLUMN received_at INTEGER;
  ALTER TABLE delivery ADD COLUMN expires_at INTEGER;
  UPDATE delivery SET (received_at, expires_at) =
    (SELECT received_at, expires_at FROM message WHERE seq = delivery.row / 65536);
  CREATE INDEX delivery_age ON delivery (expires_at, received_at, lane, open, domains) WHERE state = 0;
  DROP INDEX delivery_stopped;
  CREATE INDEX delivery_stopped ON delivery (state, rule, open) WHERE state IN (1, 2);
  DROP INDEX message_sender;
  CREATE INDEX message_sender ON message (sender, received_at, size);
  CREATE INDEX message_tag ON message (envelope ->> '$.tag', received_at) WHERE envelope ->> '$.tag' IS NOT NULL;
  CREATE TABLE hold_rule (id TEXT NOT NULL PRIMARY KEY, rule TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

/** Mail of a higher class is claimed first, without looking at the rest: 0 urgent, 1 normal, 2 bulk (`mail-class.ts`). */
const SCHEMA_6 = `
  ALTER TABLE delivery ADD COLUMN class INTEGER NOT NULL DEFAULT 1;
  UPDATE delivery SET class = iif(m.priority >= 4, 0, 2)
    FROM (SELECT seq, envelope ->> '$.priority' AS priority FROM message WHERE envelope LIKE '%"priority":%') AS m
    WHERE m.seq = delivery.row / 65536 AND (m.priority >= 4 OR m.priority <= -4);
  DROP INDEX delivery_due;
  CREATE INDEX delivery_due ON delivery (lane, class, due_at) WHERE state = 0;
`

/** What a summary counts of queued mail has the class as well. */
const SCHEMA_7 = `
  DROP INDEX delivery_age;
  CREATE INDEX delivery_age ON delivery (expires_at, received_at, lane, class, open, domains) WHERE state = 0;
`

const MIGRATIONS: readonly string[] = [SCHEMA_1, SCHEMA_2, SCHEMA_3, SCHEMA_4, SCHEMA_5, SCHEMA_6, SCHEMA_7]

export function openStore(path: string, hooks: SpoolHooks): Result<DatabaseSync, SpoolOpenError> {
  return openSqliteFile({
    path,
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    beforeFirstPage: `PRAGMA page_size = ${PAGE_BYTES}`,
    // FULL: in WAL mode every commit is fsynced before it is answered (SMTP-52).
    settings: `
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = ${hooks.weaken?.synchronous ?? 'FULL'};
      PRAGMA cache_size = -${CACHE_KIB};
      PRAGMA temp_store = MEMORY;
      PRAGMA wal_autocheckpoint = ${AUTO_CHECKPOINT_PAGES};
      PRAGMA journal_size_limit = ${AUTO_CHECKPOINT_PAGES * PAGE_BYTES};
    `,
  })
}

/** A number that SQLite keeps; the statement is prepared once. */
export function pragma(
  db: DatabaseSync,
  name: 'user_version' | 'application_id' | 'page_count' | 'freelist_count',
): () => number {
  const statement = db.prepare(`PRAGMA ${name}`)
  return () => Number(Object.values(statement.get() ?? {})[0])
}
