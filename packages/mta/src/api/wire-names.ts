/** Names of fields as they are sent: snake_case in JSON, as elsewhere in Hermetic; camelCase inside. Pure. */

const CAMEL = /^[a-z][a-z0-9]*(?:[A-Z][a-z0-9]*)+$/
const SNAKE = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)+$/

/** Of answers: keys that are no names of ours (domains, lanes, those of RFC 8460) stay as they are. */
export function sent(value: unknown): unknown {
  return renamed(value, (name) =>
    CAMEL.test(name) ? name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : name,
  )
}

/** Of requests. */
export function received(value: unknown): unknown {
  return renamed(value, (name) =>
    SNAKE.test(name) ? name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()) : name,
  )
}

function renamed(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((one) => renamed(one, rename))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [rename(name), renamed(inner, rename)]))
}
