/**
 * Calls and notes between two threads over one message port. What is said during one turn of the event loop leaves
 * in one message, in the order in which it was said. A call is answered, refused, or fails with `ThreadGone` when
 * the other side ended: then nobody knows whether it was done. Knows no mail.
 */
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import { ContentUnreadable, StoreUnavailable } from '../spool/spool.ts'

export interface Call<Ask, Answer> {
  readonly ask: Ask
  readonly answer: Answer
}

/** What one side asks and tells of the other: names with their types. */
export interface Side<Calls, Notes> {
  readonly calls: Calls
  readonly notes: Notes
}

type CallsOf<S> = S extends Side<infer C, unknown> ? C : never
type NotesOf<S> = S extends Side<unknown, infer N> ? N : never
type AskOf<C, N extends keyof C> = C[N] extends Call<infer A, unknown> ? A : never
type AnswerOf<C, N extends keyof C> = C[N] extends Call<unknown, infer A> ? A : never

/** An answer with buffers that are the receiver's from now on. */
export class HandedOver<T> {
  readonly answer: T
  readonly buffers: readonly ArrayBuffer[]

  constructor(answer: T, buffers: readonly ArrayBuffer[]) {
    this.answer = answer
    this.buffers = buffers
  }
}

export type Answers<C> = {
  readonly [N in keyof C]: (ask: AskOf<C, N>) => Promise<AnswerOf<C, N> | HandedOver<AnswerOf<C, N>>>
}
export type Hearers<N> = { readonly [K in keyof N]: (note: N[K]) => void }

export interface RoomOptions<Theirs> {
  readonly port: MessagePort
  readonly answers: Answers<CallsOf<Theirs>>
  readonly hears: Hearers<NotesOf<Theirs>>
  /** Something that cannot be said: a defect of ours. */
  readonly onDefect: (detail: string) => void
}

/** The other thread ended before it answered: what was asked may have been done or not. */
export class ThreadGone extends Error {
  override readonly name = 'ThreadGone'
}

/** Slots and sessions bound what waits long before this; beyond it something is wrong, and nothing more is taken. */
const CALLS_MAX = 50_000

type Parcel =
  | { readonly kind: 'call'; readonly seq: number; readonly name: string; readonly ask: unknown }
  | { readonly kind: 'answer'; readonly seq: number; readonly answer: unknown }
  /** `error` is the name of its class: some of them mean something. */
  | { readonly kind: 'refusal'; readonly seq: number; readonly error: string; readonly detail: string }
  | { readonly kind: 'note'; readonly name: string; readonly note: unknown }

interface Waiting {
  resolve(answer: unknown): void
  reject(error: Error): void
}

/** `Ours`: what this side asks and tells. `Theirs`: what the other one does. */
export class Room<Ours extends Side<unknown, unknown>, Theirs extends Side<unknown, unknown>> {
  readonly #port: MessagePort
  readonly #answers: Readonly<Record<string, (ask: unknown) => Promise<unknown>>>
  readonly #hears: Readonly<Record<string, (note: unknown) => void>>
  readonly #onDefect: (detail: string) => void
  readonly #waiting = new Map<number, Waiting>()
  #outbox: Parcel[] = []
  #buffers: ArrayBuffer[] = []
  #seq = 0
  #gone: ThreadGone | undefined

  constructor({ port, answers, hears, onDefect }: RoomOptions<Theirs>) {
    this.#port = port
    // Both sides are compiled against the same names.
    this.#answers = answers as Readonly<Record<string, (ask: unknown) => Promise<unknown>>>
    this.#hears = hears as Readonly<Record<string, (note: unknown) => void>>
    this.#onDefect = onDefect
    port.on('message', (parcels: readonly Parcel[]) => {
      for (const parcel of parcels) this.#receive(parcel)
    })
  }

  ask<N extends keyof CallsOf<Ours> & string>(
    name: N,
    ask: AskOf<CallsOf<Ours>, N>,
    buffers: readonly ArrayBuffer[] = [],
  ): Promise<AnswerOf<CallsOf<Ours>, N>> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    if (this.#waiting.size >= CALLS_MAX)
      return Promise.reject(new StoreUnavailable('too many calls wait for an answer'))
    this.#seq += 1
    const seq = this.#seq
    return new Promise((resolve, reject) => {
      // Answered with what the contract promises for this name.
      this.#waiting.set(seq, { resolve: (answer) => resolve(answer as AnswerOf<CallsOf<Ours>, N>), reject })
      this.#say({ kind: 'call', seq, name, ask }, buffers)
    })
  }

  tell<N extends keyof NotesOf<Ours> & string>(name: N, note: NotesOf<Ours>[N]): void {
    if (this.#gone === undefined) this.#say({ kind: 'note', name, note })
  }

  /** Calls that wait for an answer. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Sends at once what was said. */
  flush(): void {
    const parcels = this.#outbox
    const buffers = this.#buffers
    this.#outbox = []
    this.#buffers = []
    if (parcels.length === 0 || this.#gone !== undefined) return
    try {
      this.#port.postMessage(parcels, buffers)
    } catch {
      // One of them cannot be sent; the others go on.
      for (const parcel of parcels) this.#sendAlone(parcel)
    }
  }

  /** The other side is no more; what it said before it ended is heard. */
  end(why: string): void {
    if (this.#gone !== undefined) return
    for (let last = receiveMessageOnPort(this.#port); last !== undefined; last = receiveMessageOnPort(this.#port)) {
      for (const parcel of last.message as readonly Parcel[]) this.#receive(parcel)
    }
    this.#gone = new ThreadGone(why)
    this.#port.close()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { reject } of waiting) reject(this.#gone)
  }

  #say(parcel: Parcel, buffers: readonly ArrayBuffer[] = []): void {
    if (this.#outbox.length === 0) setImmediate(() => this.flush())
    this.#outbox.push(parcel)
    this.#buffers.push(...buffers)
  }

  #sendAlone(parcel: Parcel): void {
    try {
      this.#port.postMessage([parcel])
    } catch (error) {
      const detail = `${parcel.kind} ${'name' in parcel ? parcel.name : parcel.seq}: ${String(error)}`
      this.#onDefect(detail)
      if (parcel.kind === 'call') this.#settled(parcel.seq)?.reject(new Error(detail))
      if (parcel.kind === 'answer')
        this.#port.postMessage([{ kind: 'refusal', seq: parcel.seq, error: 'Error', detail }])
    }
  }

  #receive(parcel: Parcel): void {
    switch (parcel.kind) {
      case 'call':
        void this.#answer(parcel)
        return
      case 'answer':
        this.#settled(parcel.seq)?.resolve(parcel.answer)
        return
      case 'refusal':
        this.#settled(parcel.seq)?.reject(errorNamed(parcel.error, parcel.detail))
        return
      case 'note':
        this.#hears[parcel.name]?.(parcel.note)
    }
  }

  #settled(seq: number): Waiting | undefined {
    const waiting = this.#waiting.get(seq)
    this.#waiting.delete(seq)
    return waiting
  }

  async #answer({ seq, name, ask }: Extract<Parcel, { readonly kind: 'call' }>): Promise<void> {
    let parcel: Parcel
    let buffers: readonly ArrayBuffer[] = []
    try {
      const answer = this.#answers[name]
      if (answer === undefined) throw new Error(`nobody answers ${name}`)
      const given = await answer(ask)
      if (given instanceof HandedOver) buffers = given.buffers
      parcel = { kind: 'answer', seq, answer: given instanceof HandedOver ? given.answer : given }
    } catch (error) {
      const known = error instanceof Error ? error : new Error(String(error))
      parcel = { kind: 'refusal', seq, error: known.name, detail: known.message }
    }
    if (this.#gone === undefined) this.#say(parcel, buffers)
  }
}

function errorNamed(name: string, detail: string): Error {
  if (name === 'StoreUnavailable') return new StoreUnavailable(detail)
  return name === 'ContentUnreadable' ? new ContentUnreadable(detail) : new Error(detail)
}
