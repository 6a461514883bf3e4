/**
 * What is allowed and yet seldom meant: a port whose kind of TLS everybody knows, with the other kind (RFC 8314 §3.3, §7.3).
 * Neither side understands how the other begins. Pure.
 */
import type { Config } from '../config/schema.ts'

const SUBMISSIONS_PORT = 465
const SUBMISSION_PORT = 587

interface Place {
  readonly port: number
  readonly tls: string
}

export function portDoubts({ listener, route }: Pick<Config, 'listener' | 'route'>): readonly string[] {
  const places: readonly (readonly [string, Place])[] = [
    ...listener.map((one, index) => [`listener[${index}]`, one] as const),
    ...route.map((one, index) => [`route[${index}]`, one] as const),
  ]
  return places.flatMap(([name, { port, tls }]) => {
    if (port === SUBMISSIONS_PORT && tls !== 'implicit') return [doubt(name, { port, tls }, 'implicit')]
    if (port === SUBMISSION_PORT && tls === 'implicit') return [doubt(name, { port, tls }, 'starttls')]
    return []
  })
}

function doubt(name: string, { port, tls }: Place, usual: string): string {
  return `${name}: port ${port} with tls = "${tls}" hardly ever works; on this port write tls = "${usual}"`
}
