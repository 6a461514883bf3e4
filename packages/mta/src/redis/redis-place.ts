/**
 * Where Redis is, without user and password: for people. Pure.
 */
const SHOWN_MAX = 200

export function redisPlace(url: string): string {
  if (!URL.canParse(url)) return url.slice(0, SHOWN_MAX)
  const { protocol, host, pathname } = new URL(url)
  return `${protocol}//${host}${pathname === '/' ? '' : pathname}`.slice(0, SHOWN_MAX)
}
