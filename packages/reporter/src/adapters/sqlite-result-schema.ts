/**
 * The tables of `tlsrpt.db`, their version, and the careful opening of the file: one owner at a time, and nothing foreign
 * or newer is touched.
 */
import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { Result } from '@hermetic/policy'
import { openSqliteFile, type SqliteOpenError } from '@hermetic/policy/sqlite-file'

export type ResultStoreOpenError = SqliteOpenError

/** "Hmtr", in the file's header: tells our store from any other SQLite file. */
const APPLICATION_ID = 0x486d7472
/** 4 GiB: then a batch fails and is told. */
const PAGES_MAX = 1_048_576
/** 32 MiB: each second writes the same pages again, and they are synced on the calling thread. */
const CHECKPOINT_PAGES = 8_192

/** `closed`: the day's sums stand. A report is the row of a closed day; `done` keeps it out of the index of the due. */
const SCHEMA_1 = `
  CREATE TABLE store (id TEXT NOT NULL) STRICT;
  CREATE TABLE batch (row INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
  CREATE TABLE closed_day (day TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
  CREATE TABLE report (
    row INTEGER PRIMARY KEY,
    day TEXT NOT NULL,
    domain TEXT NOT NULL,
    tally TEXT NOT NULL,
    due_at INTEGER,
    token TEXT,
    report_id TEXT,
    compressed BLOB,
    made_at INTEGER,
    targets TEXT NOT NULL DEFAULT '[]',
    first_attempt_at INTEGER,
    done INTEGER NOT NULL DEFAULT 0,
    UNIQUE (day, domain)
  ) STRICT;
  CREATE INDEX report_due ON report (due_at) WHERE done = 0 AND due_at IS NOT NULL;
`

/** How often a site was addressed on a day (RPT-12). */
const SCHEMA_2 = `
  CREATE TABLE admission (
    day TEXT NOT NULL,
    site TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (day, site)
  ) STRICT, WITHOUT ROWID;
`

const MIGRATIONS: readonly string[] = [SCHEMA_1, SCHEMA_2]

export function openResultFile(dataDir: string): Result<DatabaseSync, ResultStoreOpenError> {
  return openSqliteFile({
    path: join(dataDir, 'tlsrpt.db'),
    applicationId: APPLICATION_ID,
    migrations: MIGRATIONS,
    onCreated: (db) => db.prepare('INSERT INTO store (id) VALUES (?)').run(randomUUID()),
    settings: `
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = NORMAL;
      PRAGMA max_page_count = ${PAGES_MAX};
      PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES};
    `,
  })
}
