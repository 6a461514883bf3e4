/**
 * Which of several routes counts for one mail: the one that says most about the domain of the recipient; among those of
 * one domain the one that says most about the sender, then the one that names the tag, then the latest attempt that has
 * come. Whatever the order in which they stand. Pure.
 *
 * No two routes with different criteria are ever equal for a mail, so that there is always one answer.
 */
import { formatDomain, type MailAddress, type ReversePath } from '../smtp/mail-address.ts'
import type { Route, RouteDomain, RoutedMail, RouteSender } from './route.ts'

export interface Choice {
  readonly route: Route
  /** As the configuration counts: the first `[[route]]` is 0. */
  readonly index: number
}

/** By domain, by sender, by tag; those of one place with the latest attempt first. */
export type RouteIndex = ReadonlyMap<string, ReadonlyMap<string, ReadonlyMap<string, readonly Choice[]>>>

const ANY = '*'
const NULL_SENDER = '<>'
/** No tag is empty. */
const ANY_TAG = ''

export function routeIndex(routes: readonly Route[], isIn: (route: Route) => boolean): RouteIndex {
  const index = new Map<string, Map<string, Map<string, Choice[]>>>()
  for (const [position, route] of routes.entries()) {
    if (!isIn(route)) continue
    const bySender = upserted(index, domainKey(route.domain), () => new Map<string, Map<string, Choice[]>>())
    const byTag = upserted(bySender, senderKey(route.sender), () => new Map<string, Choice[]>())
    upserted(byTag, route.tag ?? ANY_TAG, (): Choice[] => []).push({ route, index: position })
  }
  for (const bySender of index.values()) {
    for (const byTag of bySender.values()) {
      for (const choices of byTag.values()) choices.sort((a, b) => b.route.fromAttempt - a.route.fromAttempt)
    }
  }
  return index
}

export function chooseRoute(mail: RoutedMail, index: RouteIndex): Choice | undefined {
  if (index.size === 0) return undefined
  const { recipient, sender, tag, attempt } = mail
  const tags = tag === undefined ? [ANY_TAG] : [tag, ANY_TAG]
  for (const domain of domainKeys(recipient)) {
    const bySender = index.get(domain)
    if (bySender === undefined) continue
    for (const from of senderKeys(sender)) {
      const byTag = bySender.get(from)
      if (byTag === undefined) continue
      for (const one of tags) {
        const found = byTag.get(one)?.find(({ route }) => route.fromAttempt <= attempt)
        if (found !== undefined) return found
      }
    }
  }
  return undefined
}

function domainKey(domain: RouteDomain): string {
  if (domain.kind === 'any') return ANY
  return domain.kind === 'below' ? `*.${domain.name}` : domain.name
}

function senderKey(sender: RouteSender): string {
  switch (sender.kind) {
    case 'null':
      return NULL_SENDER
    case 'address':
      return addressKey(sender.address)
    default:
      return domainKey(sender)
  }
}

function addressKey({ localPart, domain }: MailAddress): string {
  return `${localPart.toLowerCase()}@${formatDomain(domain)}`
}

/** What says most comes first. */
function domainKeys({ domain }: MailAddress): readonly string[] {
  if (domain.kind === 'literal') return [ANY]
  const { name } = domain
  const keys: string[] = [name]
  for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) keys.push(`*.${name.slice(dot + 1)}`)
  return [...keys, ANY]
}

function senderKeys(sender: ReversePath): readonly string[] {
  if (sender === 'nullReversePath') return [NULL_SENDER, ANY]
  return [addressKey(sender), ...domainKeys(sender)]
}

function upserted<V>(map: Map<string, V>, key: string, make: () => V): V {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = make()
  map.set(key, made)
  return made
}
