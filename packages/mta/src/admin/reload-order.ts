/** The order `reload` over `admin.sock`: read the configuration again, and the client's side of it. */
import { err, ok } from '@hermetic/policy'
import type { Ask, ControlOrder } from './control-order.ts'
import { fieldsOf } from './control-protocol.ts'

export type ReloadAnswer =
  | {
      readonly kind: 'reloaded'
      /** Settings that have another value now. Certificates and keys are read again in any case. */
      readonly applied: readonly string[]
      /** Settings of the file that count after a restart. */
      readonly waiting: readonly string[]
    }
  /** Everything is as it was. */
  | { readonly kind: 'refused'; readonly problems: readonly string[] }

/** Absent: this relay cannot reload. */
export function reloadOrder(reload: (() => Promise<ReloadAnswer>) | undefined): ControlOrder {
  return {
    path: '/reload',
    role: 'operate',
    parse: (body) => {
      if (reload === undefined) return err('this relay cannot reload')
      const fields = fieldsOf(body, [])
      return fields.ok ? ok(reload) : fields
    },
  }
}

/** The running relay's, for the command line. */
export function reloadClient(ask: Ask): () => Promise<ReloadAnswer> {
  return () => ask('/reload', {})
}
