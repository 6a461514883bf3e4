/**
 * The order `overrides` over `admin.sock`: what the running relay goes by, which is what the configuration said when it
 * started, and the client's side of it.
 */
import { ok } from '@hermetic/policy'
import type { LocalPolicyReport } from '../local-policy/report.ts'
import type { Ask, ControlOrder } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'

/** Absent: nothing is written about any domain. */
export function overridesOrder(report: () => LocalPolicyReport = () => NOTHING): ControlOrder {
  return {
    path: '/overrides',
    role: 'read',
    parse: (body) => {
      const fields = fieldsOf(body, [])
      return fields.ok ? ok(async () => report()) : fields
    },
  }
}

const NOTHING: LocalPolicyReport = { enforcement: 'enforce', overrides: [] }

/** The running relay's, for the command line. */
export function overridesClient(ask: Ask): () => Promise<LocalPolicyReport> {
  return () => ask('/overrides', {})
}
