/**
 * Judges the story that runs of `spool-load.ts` tell: nothing acknowledged is lost, nothing settled comes back,
 * nothing refused is delivered, and a message is sent twice only when the program died between sending and settling.
 */
import { parseQueueId, type QueueId } from '../../packages/mta/src/spool/queue-id.ts'
import { type Fact, fateOf, noticeId } from './spool-load.ts'

const FACTS: ReadonlySet<string> = new Set<Fact>(['accepted', 'refused', 'claimed', 'sent', 'settled', 'damaged'])

interface Story {
  accepted: boolean
  refused: boolean
  settled: boolean
  sent: number
  /** Sent in this run and not settled yet. */
  inWindow: boolean
  /** Deaths of the program between sending and settling. */
  windows: number
}

export class SpoolLedger {
  readonly problems: string[] = []
  readonly #stories = new Map<QueueId, Story>()

  tell(fact: Fact, id: QueueId): void {
    const story = this.#story(id)
    if (fact === 'accepted') story.accepted = true
    if (fact === 'refused') story.refused = true
    if (fact === 'damaged') this.problems.push(`${id} is damaged`)
    if (fact === 'claimed' && story.settled) this.problems.push(`${id} came back after it was settled`)
    if (fact === 'claimed' && story.refused) this.problems.push(`${id} was refused and delivered all the same`)
    if (fact === 'sent') {
      story.sent += 1
      story.inWindow = true
    }
    if (fact === 'settled') {
      story.settled = true
      story.inWindow = false
    }
  }

  /** The lines that a killed program left; the last may be torn. */
  tellLines(text: string): void {
    for (const line of text.split('\n').slice(0, -1)) {
      const [fact, name] = line.split(' ')
      const id = parseQueueId(name ?? '')
      if (id !== undefined && fact !== undefined && FACTS.has(fact)) this.tell(fact as Fact, id)
    }
  }

  died(): void {
    for (const story of this.#stories.values()) {
      if (story.inWindow) story.windows += 1
      story.inWindow = false
    }
  }

  get accepted(): readonly QueueId[] {
    return [...this.#stories].filter(([, story]) => story.accepted).map(([id]) => id)
  }

  /** Everything that is wrong once all mail has left the spool. */
  verdict(): { readonly problems: readonly string[]; readonly duplicates: number } {
    const problems = [...this.problems]
    let duplicates = 0
    for (const [id, story] of this.#stories) {
      if (story.accepted && this.#isLost(id)) problems.push(`${id} was acknowledged and lost`)
      if (story.sent > 1 + story.windows) problems.push(`${id} was sent ${story.sent} times, ${story.windows} deaths`)
      duplicates += Math.max(story.sent - 1, 0)
    }
    return { problems, duplicates }
  }

  #isLost(id: QueueId): boolean {
    const end = fateOf(id) === 'bounced' ? noticeId(id) : id
    return (this.#stories.get(end)?.sent ?? 0) === 0
  }

  #story(id: QueueId): Story {
    let story = this.#stories.get(id)
    if (story === undefined) {
      story = { accepted: false, refused: false, settled: false, sent: 0, inWindow: false, windows: 0 }
      this.#stories.set(id, story)
    }
    return story
  }
}
