/**
 * Links between pages as rules: what a page links to is there, and so is the heading behind a `#`. Anchors are made of
 * headings as the usual viewers of repositories make them. Links to other servers are not followed. Pure.
 */
import { posix } from 'node:path'
import type { SourceFile } from './sources.ts'

export interface Tree {
  /** Files and folders, relative to the root. */
  readonly has: (path: string) => boolean
  /** Undefined: not a page. */
  readonly page: (path: string) => string | undefined
}

const LINK = /\]\(<?([^()\s<>]+)>?(?:\s+"[^"]*")?\)/g
const DEFINITION = /^\[[^\]]+\]:\s+(\S+)/gm
const ELSEWHERE = /^(?:[a-z][a-z0-9+.-]*:|\/\/)/i

export function brokenLinks({ path, text }: SourceFile, tree: Tree): readonly string[] {
  const prose = withoutCode(text)
  const links = [LINK, DEFINITION].flatMap((form) => [...prose.matchAll(form)].map(([, link = '']) => link))
  return links.flatMap((link) => {
    if (ELSEWHERE.test(link)) return []
    const [target = '', anchor = ''] = decodeURI(link).split('#')
    const to = target === '' ? path : posix.normalize(posix.join(posix.dirname(path), target))
    if (to.startsWith('../') || !tree.has(to)) return [`${path}: ${link} leads to nothing`]
    const page = anchor === '' ? undefined : tree.page(to)
    if (page === undefined || anchorsOf(page).has(anchor)) return []
    return [`${path}: ${link} leads to a heading that is not there`]
  })
}

/** Pages that are named by their path from the root, in text of whatever kind: messages, comments, prose. */
export function missingPages({ path, text }: SourceFile, tree: Pick<Tree, 'has'>): readonly string[] {
  const named = new Set([...text.matchAll(/(?<![\w/.-])docs\/[\w/-]+\.md\b/g)].map(([name]) => name))
  return [...named].filter((name) => !tree.has(name)).map((name) => `${path}: ${name} is not there`)
}

export function anchorsOf(page: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  const seen = new Map<string, number>()
  for (const [, heading = ''] of withoutBlocks(page).matchAll(/^#{1,6} +(.*?) *#*$/gm)) {
    const text = slug(heading)
    const times = seen.get(text) ?? 0
    seen.set(text, times + 1)
    anchors.add(times === 0 ? text : `${text}-${times}`)
  }
  for (const [, id = ''] of page.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id)
  return anchors
}

function slug(heading: string): string {
  const plain = heading.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
  return plain
    .toLowerCase()
    .replace(/[^\p{L}\p{N}_\- ]/gu, '')
    .replaceAll(' ', '-')
}

function withoutCode(text: string): string {
  return withoutBlocks(text).replace(/(`+)(?!`)[^\n]*?(?<!`)\1(?!`)/g, '')
}

function withoutBlocks(text: string): string {
  return text.replace(/^( *)(```|~~~)[^\n]*\n[\s\S]*?^ *\2 *$/gm, '')
}
