/**
 * The part of `[delivery]` that says how a host is reached, and what is done when the end of a transaction is lost. Pure.
 */
import { defaulted } from '../setting.ts'
import { boolean, duration, integer } from '../value-types.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE

export const dialSettings = {
  connection_attempt_delay: defaulted(duration({ min: 10, max: 2 * SECOND }), '250ms', {
    sentence:
      'When an address of a host has not answered for this long, the next one is dialled beside it; the first to answer is used.',
    source: 'RFC 8305 §5, §8',
  }),
  dead_host_memory: defaulted(duration({ min: 0, max: HOUR }), '1m', {
    sentence:
      'How long an address that did not answer is passed by, also by mail for other domains; doubled each time it stays silent, up to 5 minutes or this value. 0s: never.',
    source: 'RFC 5321 §4.5.4.1, docs/operating/dialling.md',
  }),
  addresses_per_host: defaulted(integer({ min: 1, max: 16 }), 5, {
    sentence: 'Addresses of one host that are tried at the most.',
    source: 'RFC 5321 §5.1',
  }),
  connections_per_attempt: defaulted(integer({ min: 2, max: 100 }), 12, {
    sentence:
      'Connections that one attempt makes without having mail taken, over all hosts of a domain; then it waits for the next attempt.',
    source: 'RFC 5321 §5.1',
  }),
}

export const clientSettings = {
  chunking: defaulted(boolean, true, {
    sentence:
      'Whether content goes by BDAT to hosts that offer CHUNKING; one that offers it and does not know it gets DATA. false: always DATA.',
    source: 'RFC 3030 §2',
  }),
}

export const ambiguousSettings = {
  retry_ambiguous: defaulted(duration({ min: MINUTE, max: 24 * HOUR }), '15m', {
    sentence:
      'Waiting time when the connection was lost after the end of a message, before the answer: the receiver may have it already, and another attempt may double it.',
    source: 'RFC 5321 §3.8, architecture §3',
  }),
  ambiguous_max: defaulted(integer({ min: 1, max: 100 }), 3, {
    sentence: 'After so many such ends the delivery is held until an operator releases or cancels it.',
    source: 'architecture §3',
  }),
}
