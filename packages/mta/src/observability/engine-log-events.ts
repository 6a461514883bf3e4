/**
 * The log entries of what relays share in Redis: permits and lane jobs. A part of `log-events.ts`, which checks that
 * it is complete. Pure.
 */
export const LIMITS_LOG_EVENTS = {
  'permits-unavailable': {
    level: 'error',
    sentence: 'The store of permits cannot be asked: no new connections to other servers until it can.',
    fields: { detail: 'peer' },
  },
  'permits-available': { level: 'warn', sentence: 'The store of permits answers again.', fields: {} },
  'permit-lost': {
    level: 'warn',
    sentence: 'The lease of a permit ended while it was in use, for this relay was stopped or cut off for too long.',
    fields: { site: 'word' },
  },
} as const

export const LANE_WORKER_LOG_EVENTS = {
  'lane-worker-idle': {
    level: 'error',
    sentence: 'Lane jobs waited, slots were free, and none was taken: the worker gets new connections.',
    fields: { idleMs: 'number', waiting: 'number' },
  },
  'lane-jobs-unavailable': {
    level: 'error',
    sentence: 'The store of lane jobs cannot be asked: no turns begin until it can.',
    fields: { detail: 'peer' },
  },
  'lane-jobs-available': { level: 'warn', sentence: 'The store of lane jobs answers again.', fields: {} },
  'turn-overtaken': {
    level: 'warn',
    sentence: 'Another relay has the lane now, because the turn here was stopped for too long.',
    fields: { lane: 'word' },
  },
} as const
