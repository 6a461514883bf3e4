/** The log entries of the store. A part of `log-events.ts`, which checks that it is complete. Pure. */
export const SPOOL_LOG_EVENTS = {
  'spool-commit': {
    level: 'debug',
    sentence: 'One commit of the store, with the operations that shared it.',
    fields: { operations: 'number', durationMs: 'number' },
  },
  'spool-failing': {
    level: 'error',
    sentence: 'The store cannot commit or read: intake and deliveries stop until it can.',
    fields: { detail: 'peer' },
  },
  'spool-recovered': { level: 'warn', sentence: 'The store works again.', fields: { afterMs: 'number' } },
  'spool-room-changed': {
    level: 'warn',
    sentence: 'Intake stops at 85 % of the limit and deliveries at 95 %; one of the two was crossed.',
    fields: { intake: 'word', claims: 'word', usedBytes: 'number', limitBytes: 'number' },
  },
  'spool-durable': {
    level: 'info',
    sentence: 'The store keeps what it answers through a power cut.',
    fields: {},
  },
  'spool-durability-relaxed': {
    level: 'warn',
    sentence:
      'The store may lose mail that was answered 250 in a power cut or a failover; [queue] durability = "relaxed" bears that.',
    fields: { findings: 'peer' },
  },
  'spool-server-refused': {
    level: 'error',
    sentence: 'The store is not used: it may lose what it answers, or cannot take it.',
    fields: { findings: 'peer' },
  },
  'spool-left-behind': {
    level: 'warn',
    sentence:
      'A queue of the embedded engine is in data_dir, and nobody delivers its mail: `hermetic queue export` and `import` move it; what is empty may be removed.',
    fields: { path: 'word' },
  },
  'spool-reserve-released': {
    level: 'error',
    sentence: 'The disk is full; the file that was kept for this was given back, so that outcomes can be stored.',
    fields: {},
  },
  'spool-reserve-restored': {
    level: 'info',
    sentence: 'There is room again; the file kept for a full disk was made anew.',
    fields: { bytes: 'number' },
  },
  'spool-accept-voided': {
    level: 'error',
    sentence: 'It is not known whether a message was stored: it was answered 451 and is never delivered under this id.',
    fields: { id: 'word', detail: 'peer' },
  },
  'spool-settle-journalled': {
    level: 'error',
    sentence: 'An outcome could not be committed and waits in unsettled.journal.',
    fields: { id: 'word', detail: 'peer' },
  },
  'spool-journal-replayed': {
    level: 'warn',
    sentence: 'Outcomes of an earlier run were taken from unsettled.journal.',
    fields: { settlements: 'number', tombstones: 'number', damagedLines: 'number', refused: 'number' },
  },
  'spool-settle-merged': {
    level: 'warn',
    sentence: 'An outcome came after its lease was over: deliveries count, deferrals do not.',
    fields: { id: 'word', closed: 'number', ignored: 'number' },
  },
  'spool-orphan-removed': {
    level: 'info',
    sentence: 'A content file without an envelope was removed.',
    fields: { name: 'word' },
  },
  'spool-suspects-found': {
    level: 'warn',
    sentence: 'These messages were in flight when the relay died; they are tried one by one.',
    fields: { ids: 'facts' },
  },
  'spool-message-quarantined': {
    level: 'error',
    sentence: 'A message was set aside; `hermetic queue release` tries it again.',
    fields: { id: 'word', reason: 'peer' },
  },
  'spool-content-unreadable': {
    level: 'error',
    sentence: 'The content of a message is missing or damaged.',
    fields: { id: 'word', detail: 'peer' },
  },
  'spool-thread-restarted': {
    level: 'error',
    sentence: 'The thread that owns the store ended and was started again.',
    fields: { detail: 'peer' },
  },
} as const
