/** A delivery problem on one line: status, cause, and the host that took part. Pure. */
import type { DeliveryProblem } from '../delivery/outcome.ts'
import { causeWords } from '../observability/delivery-record.ts'

export function explainProblem({ status, cause, remote }: DeliveryProblem): string {
  const where = remote === undefined ? '' : ` (${remote.mxHostname} [${remote.address}])`
  return `${status} ${causeWords(cause)}${where}`
}
