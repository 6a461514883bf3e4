/**
 * The configuration on its way into a thread: plain values, because a secret does not cross threads by itself. What
 * was checked once is not read again, so that all threads go by the same settings. Pure.
 */
import type { Config } from '../config/schema.ts'
import { Secret } from '../config/secret.ts'
import type { TravellingConfig } from '../threads/protocol.ts'

const SECRET = 'hermetic:secret'

export function travellingConfig(config: Config): TravellingConfig {
  return packed(config) as TravellingConfig
}

export function arrivedConfig(config: TravellingConfig): Config {
  return unpacked(config) as Config
}

function packed(value: unknown): unknown {
  if (value instanceof Secret) return { [SECRET]: value.reveal() }
  return mapped(value, packed)
}

function unpacked(value: unknown): unknown {
  const secret =
    typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, SECRET) : undefined
  return typeof secret?.value === 'string' ? new Secret(secret.value) : mapped(value, unpacked)
}

function mapped(value: unknown, each: (inner: unknown) => unknown): unknown {
  if (Array.isArray(value)) return Object.freeze(value.map(each))
  if (typeof value !== 'object' || value === null) return value
  return Object.freeze(Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, each(inner)])))
}
