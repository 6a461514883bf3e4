/**
 * The header field by which the load generator and the sink recognise one message. Pure.
 */
export const SERIAL_FIELD = 'X-Bench-Serial'

const MARK = `${SERIAL_FIELD}: `

/** The serial in the head of a content, when it is there. */
export function serialOf(head: Buffer): string | undefined {
  const start = head.indexOf(MARK)
  if (start < 0) return undefined
  const from = start + MARK.length
  const end = head.indexOf('\r\n', from)
  return end < 0 ? undefined : head.toString('latin1', from, end)
}
