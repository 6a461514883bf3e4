/** A host name or address with a port, of a server that we connect to. Pure. */
import { isIP, isIPv6 } from 'node:net'
import { ok } from '@hermetic/policy'
import { textType, type ValueType } from './value-type.ts'

export interface HostPort {
  readonly host: string
  readonly port: number
}

const WRITTEN = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]{1,253})):(\d{1,5})$/
const PORT_MAX = 65_535

export const hostAndPort: ValueType<HostPort> = textType(
  'host with port',
  'a host name or an address, and a port, e.g. "redis1.example.com:26379" or "[2001:db8::1]:6379"',
  (text) => {
    const [, v6, named, digits] = WRITTEN.exec(text) ?? []
    const port = Number(digits)
    if (!(port >= 1 && port <= PORT_MAX)) return undefined
    if (v6 !== undefined) return isIPv6(v6) ? ok({ host: v6, port }) : undefined
    if (named === undefined || (/^[0-9.]+$/.test(named) && isIP(named) === 0)) return undefined
    return ok({ host: named, port })
  },
)
