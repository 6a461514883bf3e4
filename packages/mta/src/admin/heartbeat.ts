/**
 * Whether the event loop still turns: a timer that should come every second. A loop that stood still for long
 * answers probes late and wrongly; an orchestrator is then told to replace the process.
 */
export interface Heartbeat {
  /** Milliseconds since the last beat. */
  silentMs(): number
  stop(): void
}

const BEAT_MS = 1_000

/** Longer than any pause that garbage collection or a full disk causes. */
export const STUCK_MS = 15_000

export function startHeartbeat(now: () => number = () => performance.now()): Heartbeat {
  let last = now()
  const timer = setInterval(() => {
    last = now()
  }, BEAT_MS)
  timer.unref()
  return { silentMs: () => now() - last, stop: () => clearInterval(timer) }
}
