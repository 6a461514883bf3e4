/** Reports count by days of UTC (RFC 8460 §4.1): who counts and then asks begins on a day that lasts until the end. */
import { type UtcDay, utcDayOf } from '@hermetic/reporter'

const DAY_MS = 86_400_000
/** Longer than such a test takes on a loaded machine, shorter than what a test may take. */
const LEFT_MS = 30_000

/** The day of today, after a wait for the next one where too little of it is left. */
export async function longEnoughDay(): Promise<UtcDay> {
  const left = DAY_MS - (Date.now() % DAY_MS)
  if (left < LEFT_MS) await new Promise((resolve) => setTimeout(resolve, left + 100))
  return utcDayOf(Date.now())
}
