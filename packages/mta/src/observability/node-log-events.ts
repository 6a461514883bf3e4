/** The log entries of nodes. A part of `log-events.ts`, which checks that it is complete. Pure. */
const name = { nodeId: 'word', hostname: 'peer', pid: 'number' } as const

export const NODE_LOG_EVENTS = {
  'node-joined': {
    level: 'info',
    sentence: 'This relay is known to the others of its queue; before is the process that had its id and is dead.',
    fields: { ...name, before: 'number' },
  },
  'former-life-ended': {
    level: 'info',
    sentence:
      'This relay was killed: the permits, deliveries and lanes that its former process held in Redis are free again.',
    fields: { nodeId: 'word', permits: 'number', deliveries: 'number', lanes: 'number' },
  },
  'former-life-unknown': {
    level: 'warn',
    sentence:
      'Redis could not be asked what a former process of this relay held; what there is comes back when its leases end.',
    fields: { nodeId: 'word', detail: 'peer' },
  },
  'node-draining': {
    level: 'warn',
    sentence:
      'This relay takes no lanes and no sessions any more: an operator wants it, or another process has its id (replaced).',
    fields: { nodeId: 'word', because: 'word' },
  },
  'node-drained': {
    level: 'info',
    sentence: 'Nothing is under way in this relay any more; it can be stopped.',
    fields: { nodeId: 'word', durationMs: 'number' },
  },
  'node-resumed': { level: 'warn', sentence: 'This relay takes lanes and sessions again.', fields: { nodeId: 'word' } },
  'node-replaced': {
    level: 'error',
    sentence:
      'Another process goes by the id of this relay: it has the same data_dir, or a copy of it. This one does no more; stop one of them.',
    fields: name,
  },
  'node-silent': {
    level: 'error',
    sentence:
      'Another relay of the queue does not beat any more: it is dead, stopped, or cut off. Its mail goes on here.',
    fields: { ...name, silentMs: 'number' },
  },
  'node-heard-again': { level: 'info', sentence: 'A relay that was silent beats again.', fields: name },
  'clock-out-of-step': {
    level: 'error',
    sentence:
      'The clock of this machine is off the clock of Redis by more than the limit: set it, and keep it with NTP.',
    fields: { nodeId: 'word', skewMs: 'number', limitMs: 'number' },
  },
  'clock-in-step': {
    level: 'info',
    sentence: 'The clock of this machine is in step with the clock of Redis again.',
    fields: { nodeId: 'word', skewMs: 'number' },
  },
  'nodes-unavailable': {
    level: 'error',
    sentence: 'The store cannot be told that this relay lives; the others will take it for dead.',
    fields: { nodeId: 'word', detail: 'peer' },
  },
  'nodes-available': {
    level: 'warn',
    sentence: 'The store hears the beats of this relay again.',
    fields: { nodeId: 'word' },
  },
} as const
