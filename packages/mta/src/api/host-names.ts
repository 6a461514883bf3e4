/**
 * Which names a request may call this server by: with any other a web page whose name was pointed at us (DNS rebinding)
 * could speak to it. Pure.
 */

const LOOPBACK: readonly string[] = ['localhost', '127.0.0.1', '[::1]']

/** `address`: where it listens. */
export function ownNames(
  {
    address,
    named,
    hostname,
  }: { readonly address: string; readonly named: readonly string[]; readonly hostname: string },
  isOnLoopback: boolean,
): ReadonlySet<string> {
  const literal = address.includes(':') ? `[${address}]` : address
  return new Set([literal, hostname, ...named, ...(isOnLoopback ? LOOPBACK : [])].map((name) => name.toLowerCase()))
}

/** The header field Host, with a port or without. */
export function isOwnName(host: string | undefined, own: ReadonlySet<string>): boolean {
  if (host === undefined) return false
  return own.has(host.toLowerCase().replace(/:\d{1,5}$/, ''))
}
