/**
 * The content phase of a session: from the 354 to the reply to the final dot. Holds the one message that may be
 * under way; a sink or a store that fails costs that message a 4yz, never the session.
 */

import { formatReversePath } from '../smtp/mail-address.ts'
import { isErrno } from '../spool/durable-file.ts'
import { NotInTime } from '../spool/in-time.ts'
import { StoreUnavailable } from '../spool/spool.ts'
import { quotedPeerText } from './events.ts'
import { type IncomingEnd, IncomingMessage, type IncomingOptions } from './incoming-message.ts'
import { type Reply, replies, replyText } from './replies.ts'
import type { OwnEvent, SessionRules } from './session-rules.ts'

export interface IntakeEnd {
  readonly accepted: boolean
  readonly reply: Reply
}

interface UnderWay {
  readonly message: IncomingMessage
  readonly about: MessageFacts
  readonly startedAt: number
  failed: Told | undefined
}

export interface MessageFacts {
  readonly username: string | undefined
  readonly tls: string
}

/** What a client is answered. */
type Told = Exclude<IncomingEnd, { readonly kind: 'not-signed' }>

const FAILED: Told = { kind: 'refused', reply: replies.internal, reason: 'internal-error' }
const NOT_STORED: Told = { kind: 'refused', reply: replies.notStored, reason: 'queue-unavailable' }
const NO_ROOM: Told = { kind: 'refused', reply: replies.intakeFull, reason: 'queue-full' }

export class MessageIntake {
  readonly #rules: Pick<SessionRules, 'accept' | 'stage' | 'now'>
  readonly #emit: (event: OwnEvent) => void
  #underWay: UnderWay | undefined

  constructor(rules: Pick<SessionRules, 'accept' | 'stage' | 'now'>, emit: (event: OwnEvent) => void) {
    this.#rules = rules
    this.#emit = emit
  }

  get isUnderWay(): boolean {
    return this.#underWay !== undefined
  }

  begin(options: IncomingOptions, about: MessageFacts): void {
    const message = new IncomingMessage(options, this.#rules.stage(options.id))
    this.#underWay = { message, about, startedAt: this.#rules.now(), failed: undefined }
  }

  content(slice: Buffer): void | Promise<void> {
    const underWay = this.#underWay
    if (underWay === undefined || underWay.failed !== undefined) return
    const failed = (error: unknown): void => {
      underWay.failed = this.#failure(error)
    }
    try {
      return underWay.message.write(slice)?.catch(failed)
    } catch (error) {
      failed(error)
    }
  }

  /** After the final dot. From here on a lost connection discards nothing: the message is stored or refused. */
  async end(): Promise<IntakeEnd> {
    const underWay = this.#underWay
    this.#underWay = undefined
    if (underWay === undefined) return { accepted: false, reply: replies.internal }
    const { failed } = underWay
    const finished = failed === undefined ? await this.#finish(underWay) : await this.#giveUp(underWay, failed)
    const end = finished.kind === 'not-signed' ? this.#notSigned(finished.error, underWay) : finished
    this.#tell(end, underWay)
    return { accepted: end.kind === 'accepted', reply: end.reply }
  }

  /** The session ended in the middle of the content. */
  abort(): void {
    const underWay = this.#underWay
    this.#underWay = undefined
    underWay?.message.abort().catch((error) => this.tellError(error))
  }

  tellError(error: unknown): void {
    this.#emit({ event: 'session-error', detail: errorText(error) })
  }

  async #finish(underWay: UnderWay): Promise<IncomingEnd> {
    try {
      return await underWay.message.finish(this.#rules.accept, this.#rules.now)
    } catch (error) {
      return this.#failure(error)
    }
  }

  async #giveUp({ message }: UnderWay, failed: Told): Promise<Told> {
    await message.abort().catch((error) => this.tellError(error))
    return failed
  }

  /** The spool itself tells what is wrong with it; all else is a defect. */
  #failure(error: unknown): Told {
    if (error instanceof StoreUnavailable) return isErrno(error.cause, 'ENOSPC') ? NO_ROOM : NOT_STORED
    this.tellError(error)
    return error instanceof NotInTime ? NOT_STORED : FAILED
  }

  #notSigned(error: unknown, { message: { id } }: UnderWay): Told {
    this.#emit({ event: 'dkim-signing-failed', id, detail: errorText(error) })
    return { kind: 'refused', reply: replies.notSigned, reason: 'not-signed' }
  }

  #tell(end: Told, { message: { id }, about, startedAt }: UnderWay): void {
    const username = about.username === undefined ? {} : { username: quotedPeerText(about.username) }
    if (end.kind === 'refused') {
      this.#emit({ event: 'message-refused', id, ...username, reason: end.reason, reply: replyText(end.reply) })
      return
    }
    const { envelope, recipients, messageIdHeader } = end.message
    this.#emit({
      event: 'message-accepted',
      id,
      ...username,
      reversePath: formatReversePath(envelope.reversePath),
      ...(messageIdHeader === undefined ? {} : { messageId: quotedPeerText(messageIdHeader) }),
      recipients: recipients.length,
      size: envelope.size,
      tls: about.tls,
      messageTls: end.tag.tls,
      ...(envelope.priority === undefined ? {} : { priority: envelope.priority }),
      ...(envelope.tag === undefined ? {} : { tag: envelope.tag }),
      ...(end.dkim === undefined ? {} : { dkim: end.dkim }),
      ...(end.tag.fieldIgnored === undefined ? {} : { tlsRequiredIgnored: end.tag.fieldIgnored }),
      latencyMs: this.#rules.now() - startedAt,
      spoolMs: end.spoolMs,
    })
  }
}

function errorText(error: unknown): string {
  return quotedPeerText(error instanceof Error ? `${error.name}: ${error.message}` : 'not an Error')
}
