/**
 * The server side of one SMTP session: RFC 5321 §4.1, §4.3 with STARTTLS (RFC 3207), AUTH (RFC 4954) and the
 * rules of submission (RFC 6409 §4). Takes octets, gives replies; sockets and TLS are behind `SessionChannel`.
 *
 * Nobody relays who is not authenticated or in an allowed network. CHUNKING (RFC 3030) is not offered: BDAT ends the
 * session, so that the octets of a chunk are never read as commands (SMUG-06). Whatever throws in here ends this
 * session only.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import { Activity, type Overdue } from './activity.ts'
import { type AuthAnswer, Authentication } from './authentication.ts'
import { ehloKeywords } from './ehlo-keywords.ts'
import { quotedPeerText, type SessionEnd, type SubmissionEvent } from './events.ts'
import { askQuotas } from './mail-quota.ts'
import { addRecipient, type MailTransaction, openTransaction, readRecipient } from './mail-transaction.ts'
import { MessageIntake } from './message-intake.ts'
import { messageOptions, type SessionFacts, transactionRules } from './message-options.ts'
import { recipientRefusal, senderRefusal } from './recipient-check.ts'
import { ehloReply, greeting, type Reply, replies, replyText } from './replies.ts'
import { BEFORE_TLS, NEEDS_EHLO, readCommand, type SessionCommand } from './session-command.ts'
import type { OwnEvent, SessionChannel, SessionRules } from './session-rules.ts'
import { type LineFault, type LineVerdict, WireReader, type WireTarget } from './wire-reader.ts'

// RFC 5321 §4.1.1.1 as far as a server must care: one word, printable.
const CLIENT_NAME = /^[\x21-\x7e]{1,255}$/

export class Session implements WireTarget {
  readonly #rules: SessionRules
  readonly #channel: SessionChannel
  readonly #address: string
  readonly #activity: Activity
  readonly #openedAt: number
  readonly #intake: MessageIntake
  #reader: WireReader
  #client: { readonly name: string; readonly greeting: 'ehlo' | 'helo' } | undefined
  #authentication: Authentication
  #transaction: MailTransaction | undefined
  #commands = 0
  #badCommands = 0
  #messages = 0
  #greeted = false
  #end: SessionEnd | undefined
  #shuttingDown = false

  constructor(rules: SessionRules, channel: SessionChannel, address: string) {
    this.#rules = rules
    this.#channel = channel
    this.#address = address
    this.#openedAt = rules.now()
    this.#activity = new Activity(rules.limits, 'commands', this.#openedAt)
    this.#intake = new MessageIntake(rules, (event) => this.#emit(event))
    this.#reader = new WireReader(this)
    this.#authentication = this.#newAuthentication()
  }

  greet(): void {
    this.#greeted = true
    this.#emit({ event: 'session-opened' })
    this.#channel.send(greeting(this.#rules.hostname))
  }

  /** Octets from the client; a promise is backpressure. Never throws, never rejects. */
  take(chunk: Buffer, queued: boolean): Promise<void> | undefined {
    const { now } = this.#rules
    this.#activity.received(chunk.length, now())
    const taken = this.#guarded(() => this.#reader.feed(chunk, queued))
    if (taken === undefined) {
      this.#activity.line(this.#reader.insideLine, now())
      return this.#channel.drained()
    }
    this.#activity.ourTurn(now())
    return taken.then(() => {
      this.#activity.clientsTurn(now())
      this.#activity.line(this.#reader.insideLine, now())
      return this.#channel.drained()
    })
  }

  /** RFC 3207 §4.2: everything learnt before the handshake is forgotten, unread input included. */
  secured(): void {
    this.#reader.stop()
    this.#reader = new WireReader(this)
    this.#client = undefined
    this.#authentication = this.#newAuthentication()
    this.#transaction = undefined
    this.#activity.enter('commands', this.#rules.now())
  }

  /** Called every second or so: ends the session when its time is up, and says why. */
  sweep(now: number): Overdue | undefined {
    const overdue = this.#end === undefined ? this.#activity.overdue(now) : undefined
    if (overdue !== undefined) this.close(overdue, overdue === 'idle' ? replies.idle : replies.tooSlow)
    return overdue
  }

  /** Content that is arriving or being stored may finish; everything else ends now (RFC 5321 §3.8). */
  shutDown(): void {
    this.#shuttingDown = true
    if (!this.#intake.isUnderWay && !this.#activity.isOurTurn) this.close('shutdown', replies.shuttingDown)
  }

  close(reason: SessionEnd, reply?: Reply): void {
    if (this.#end !== undefined) return
    this.#end = reason
    this.#reader.stop()
    if (reply !== undefined) this.#channel.send(reply)
    this.#channel.end()
  }

  /** The connection is gone, whoever ended it. */
  closed(): void {
    this.#end ??= 'client-closed'
    this.#reader.stop()
    this.#intake.abort()
    // Without a greeting there was a refusal, which has its own event.
    if (!this.#greeted) return
    const durationMs = Math.round(this.#rules.now() - this.#openedAt)
    this.#emit({ event: 'session-ended', reason: this.#end, messages: this.#messages, durationMs })
  }

  lineOctetsMax(start: Buffer): number {
    const { authLineBytesMax, commandLineBytesMax } = this.#rules.limits
    const auth = this.#authentication.underWay || /^AUTH /i.test(start.toString('latin1', 0, 5))
    return auth ? authLineBytesMax : commandLineBytesMax
  }

  faultyLine(fault: LineFault): LineVerdict {
    switch (fault) {
      case 'bare-line-feed':
        // What follows the LF is not at the start of a line: nothing of it may be taken for a command (SMUG-02).
        this.close('bare-line-feed', replies.bareLineFeed)
        return 'stop'
      case 'line-too-long':
        return this.#refuse(this.#authentication.abandon() ? replies.authLineTooLong : replies.lineTooLong)
      case 'control-character':
        return this.#refuse(this.#authentication.abandon() ? replies.authBase64 : replies.controlCharacter)
    }
  }

  commandLine(line: Buffer, more: boolean): LineVerdict | Promise<LineVerdict> {
    if (this.#shuttingDown) return this.#endWith('shutdown', replies.shuttingDown)
    const text = isAscii(line) ? line.toString('latin1') : isUtf8(line) ? line.toString() : undefined
    if (text === undefined) return this.#refuse(replies.notUtf8)
    if (this.#authentication.underWay) return this.#answerAuth(this.#authentication.continue(text))
    this.#commands += 1
    const { commandsPerMessageMax, commandsBeforeAuthMax } = this.#rules.limits
    const commandsMax = this.#mayRelay() ? commandsPerMessageMax : commandsBeforeAuthMax
    if (this.#commands > commandsMax) return this.#endWith('too-many-commands', replies.tooManyCommands)
    return this.#command(readCommand(text, more))
  }

  content(slice: Buffer): void | Promise<void> {
    return this.#intake.content(slice)
  }

  async endOfContent(): Promise<LineVerdict> {
    const { accepted, reply } = await this.#intake.end()
    this.#transaction = undefined
    this.#activity.enter('commands', this.#rules.now())
    if (accepted) {
      this.#messages += 1
      this.#commands = 0
      this.#badCommands = 0
    }
    if (this.#end !== undefined) return 'stop'
    this.#channel.send(reply)
    return this.#shuttingDown ? this.#endWith('shutdown', replies.shuttingDown) : 'continue'
  }

  #command({ verb, argument, text, more }: SessionCommand): LineVerdict | Promise<LineVerdict> {
    // In any state and however it goes on: the client takes what it sends next for content.
    if (verb.startsWith('BDAT')) return this.#endWith('bdat-not-offered', replies.bdatNotOffered)
    if (this.#demandsTls() && !BEFORE_TLS.has(verb)) {
      return this.#refuse(verb === 'AUTH' ? replies.authNeedsTls : replies.tlsRequired)
    }
    if (this.#client === undefined && NEEDS_EHLO.has(verb)) return this.#refuse(replies.ehloFirst)
    switch (verb) {
      case 'EHLO':
      case 'HELO':
        return this.#hello(verb === 'EHLO' ? 'ehlo' : 'helo', argument)
      case 'MAIL':
        return this.#mail(text)
      case 'RCPT':
        return this.#rcpt(text)
      case 'DATA':
        return this.#data(argument, more)
      case 'AUTH':
        return this.#authCommand(argument)
      case 'STARTTLS':
        return this.#startTls(argument, more)
      case 'RSET':
        return argument === '' ? this.#reset() : this.#refuse(replies.noArguments)
      case 'NOOP':
        return this.#answer(replies.ok)
      case 'VRFY':
        return argument === '' ? this.#refuse(replies.needsArgument) : this.#answer(replies.cannotVerify)
      case 'HELP':
        return this.#answer(replies.help)
      case 'QUIT':
        return argument === '' ? this.#endWith('quit', replies.bye) : this.#refuse(replies.noArguments)
      case 'EXPN':
        return this.#refuse(replies.notImplemented)
      default:
        return this.#refuse(replies.unknownCommand)
    }
  }

  #hello(kind: 'ehlo' | 'helo', name: string): LineVerdict {
    if (!CLIENT_NAME.test(name)) return this.#refuse(replies.badEhlo)
    this.#client = { name, greeting: kind }
    this.#transaction = undefined
    const offer = { secure: this.#channel.tls() !== undefined, authenticated: this.#username() !== undefined }
    return this.#answer(ehloReply(this.#rules.hostname, kind === 'ehlo' ? ehloKeywords(this.#rules, offer) : []))
  }

  #mail(text: string): LineVerdict | Promise<LineVerdict> {
    if (this.#transaction !== undefined) return this.#refuse(replies.alreadyInTransaction)
    const valid = this.#authentication.renew()
    return valid instanceof Promise ? valid.then((is) => this.#mailBy(is, text)) : this.#mailBy(valid, text)
  }

  #mailBy(isLoginValid: boolean, text: string): LineVerdict | Promise<LineVerdict> {
    if (this.#end !== undefined) return 'stop'
    if (!isLoginValid) return this.#endWith('login-withdrawn', replies.loginWithdrawn)
    if (!this.#mayRelay() && (this.#rules.kind === 'submission' || this.#rules.requireAuth))
      return this.#refuse(replies.authRequired)
    const opened = openTransaction(text, transactionRules(this.#rules, this.#facts()))
    if (!opened.ok) return this.#refuseCommand('MAIL', opened.error)
    const answer = (refusal: Reply | undefined): LineVerdict => {
      if (this.#end !== undefined) return 'stop'
      if (refusal !== undefined) return this.#refuseCommand('MAIL', refusal)
      this.#transaction = opened.value
      return this.#answer(replies.senderOk)
    }
    const refusal = senderRefusal(opened.value.reversePath, this.#rules)
    return refusal instanceof Promise ? refusal.then(answer) : answer(refusal)
  }

  #rcpt(text: string): LineVerdict | Promise<LineVerdict> {
    const transaction = this.#transaction
    if (transaction === undefined) return this.#refuse(replies.mailFirst)
    // SMTP-73: a stranger at a relay listener relays nothing, not even to postmaster, for no mail is delivered here.
    if (!this.#mayRelay()) return this.#refuseCommand('RCPT', replies.relayDenied)
    const rules = transactionRules(this.#rules, this.#facts())
    const read = readRecipient(transaction, text, rules)
    if (!read.ok) return this.#refuseCommand('RCPT', read.error)
    const recipient = read.value
    const add = (): LineVerdict => {
      const reply = addRecipient(transaction, recipient, rules)
      return reply.code === 250 ? this.#answer(reply) : this.#refuseCommand('RCPT', reply)
    }
    return (
      recipientRefusal(recipient.address, this.#rules)?.then((refusal) => {
        if (this.#end !== undefined) return 'stop'
        return refusal === undefined ? add() : this.#refuseCommand('RCPT', refusal)
      }) ?? add()
    )
  }

  #data(argument: string, more: boolean): LineVerdict | Promise<LineVerdict> {
    const transaction = this.#transaction
    if (argument !== '') return this.#refuse(replies.noArguments)
    if (transaction === undefined) return this.#refuse(replies.mailFirst)
    if (transaction.recipients.size === 0) return this.#refuse(replies.noRecipients)
    // RFC 2920 §3.1: DATA is the last command of a group. What came behind it cannot be told from commands.
    if (more) return this.#endWith('unauthorised-pipelining', replies.dataPipelined)
    const asked = askQuotas(this.#rules, this.#facts(), transaction.recipients.size)
    if (asked === undefined) return this.#beginContent(transaction)
    return asked.then((refusal) => {
      if (this.#end !== undefined) return 'stop'
      if (refusal === undefined) return this.#beginContent(transaction)
      // Over: clients begin anew with MAIL after a refused DATA, and not all of them with RSET in front.
      this.#transaction = undefined
      if (refusal.of !== undefined) this.#emit({ ...refusal.of, ...this.#by() })
      return this.#refuseCommand('DATA', refusal.reply)
    })
  }

  #beginContent(transaction: MailTransaction): LineVerdict {
    this.#intake.begin(messageOptions(this.#rules, this.#facts(), transaction), {
      username: this.#username(),
      tls: this.#channel.tls()?.protocol ?? 'none',
    })
    this.#activity.enter('content', this.#rules.now())
    this.#channel.send(replies.sendContent)
    return 'content'
  }

  #authCommand(argument: string): LineVerdict | Promise<LineVerdict> {
    if (this.#channel.tls() === undefined) return this.#refuse(replies.authNeedsTls)
    if (this.#client?.greeting === 'helo') return this.#refuse(replies.ehloFirst)
    if (this.#transaction !== undefined) return this.#refuse(replies.alreadyInTransaction)
    return this.#answerAuth(this.#authentication.begin(argument))
  }

  #answerAuth(answer: AuthAnswer | Promise<AuthAnswer>): LineVerdict | Promise<LineVerdict> {
    if (answer instanceof Promise) return answer.then((settled) => this.#answerAuth(settled))
    switch (answer.kind) {
      case 'reply':
        return this.#answer(answer.reply)
      case 'refused':
        return this.#refuse(answer.reply)
      case 'end':
        return this.#endWith('too-many-auth-failures', answer.reply)
    }
  }

  #startTls(argument: string, more: boolean): LineVerdict {
    if (argument !== '') return this.#refuse(replies.noArguments)
    if (this.#channel.tls() !== undefined) return this.#refuse(replies.tlsActive)
    if (this.#rules.tls !== 'starttls') return this.#refuse(replies.notImplemented)
    // RFC 3207 §4.2, CVE-2011-0411: input behind the command would be read as if it came through TLS.
    if (more) return this.#endWith('unauthorised-pipelining', replies.tlsPipelined)
    this.#activity.enter('handshake', this.#rules.now())
    this.#channel.send(replies.startTls)
    this.#channel.startTls()
    return 'stop'
  }

  #reset(): LineVerdict {
    this.#transaction = undefined
    return this.#answer(replies.ok)
  }

  #newAuthentication(): Authentication {
    return new Authentication(this.#rules, { address: this.#address, emit: (event) => this.#emit(event) })
  }

  #username(): string | undefined {
    return this.#authentication.account?.username
  }

  #demandsTls(): boolean {
    return this.#rules.kind === 'submission' && this.#rules.tls === 'starttls' && this.#channel.tls() === undefined
  }

  #mayRelay(): boolean {
    if (this.#authentication.account !== undefined) return true
    return !this.#rules.requireAuth && this.#rules.isAllowedNetwork(this.#address)
  }

  #facts(): SessionFacts {
    const tls = this.#channel.tls()
    return { address: this.#address, account: this.#authentication.account, tls, client: this.#client }
  }

  #answer(reply: Reply): LineVerdict {
    this.#channel.send(reply)
    return 'continue'
  }

  /** A command that a correct client would not have sent. */
  #refuse(reply: Reply): LineVerdict {
    this.#badCommands += 1
    this.#channel.send(reply)
    if (this.#badCommands < this.#rules.limits.badCommandsMax) return 'continue'
    return this.#endWith('too-many-bad-commands', replies.tooManyBadCommands)
  }

  /** A correct command that is not granted, or a wrong address: a list of recipients may hold many. */
  #refuseCommand(command: 'MAIL' | 'RCPT' | 'DATA', reply: Reply): LineVerdict {
    this.#emit({ event: 'command-refused', command, reply: replyText(reply), ...this.#by() })
    return this.#answer(reply)
  }

  #by(): { readonly username?: string } {
    const username = this.#username()
    return username === undefined ? {} : { username: quotedPeerText(username) }
  }

  #endWith(reason: SessionEnd, reply: Reply): LineVerdict {
    this.close(reason, reply)
    return 'stop'
  }

  #guarded(work: () => void | Promise<void>): Promise<void> | undefined {
    const failed = (error: unknown): void => {
      this.#intake.tellError(error)
      this.close('internal-error', replies.internalEnd)
    }
    try {
      return work()?.catch(failed)
    } catch (error) {
      failed(error)
      return undefined
    }
  }

  #emit(event: OwnEvent): void {
    this.#rules.emit({ ...event, listener: this.#rules.listener, address: this.#address } as SubmissionEvent)
  }
}
