import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { covers } from '../../../../test/conformance/covers.ts'
import { parseHeader } from './header.ts'
import { messageTag } from './message-tag.ts'
import { tlsRequiredField } from './tls-required-field.ts'

const field = (header: string) => tlsRequiredField(parseHeader(Buffer.from(header)))

describe('RFC 8689 §3: the field TLS-Required', () => {
  for (const [line, expected] of [
    ['TLS-Required: No', 'no'],
    ['tls-required:no', 'no'],
    ['TLS-REQUIRED:\tNO', 'no'],
    ['TLS-Required:\r\n No', 'no'],
    ['TLS-Required: \t\r\n \tnO', 'no'],
    ['TLS-Required: No  \t', 'no'],
    ['TLS-Required: Yes', 'another-value'],
    ['TLS-Required: No (comment)', 'another-value'],
    ['TLS-Required: (comment) No', 'another-value'],
    ['TLS-Required: "No"', 'another-value'],
    ['TLS-Required: None', 'another-value'],
    ['TLS-Required: No No', 'another-value'],
    ['TLS-Required: N\r\n o', 'another-value'],
    ['TLS-Required: No\u00a0', 'another-value'],
    ['TLS-Required: No\v', 'another-value'],
    ['TLS-Required:', 'another-value'],
    ['TLS-Required: ', 'another-value'],
    ['X-TLS-Required: No', 'absent'],
    ['TLS-Required-: No', 'absent'],
    ['Subject: TLS-Required: No', 'absent'],
    ['Subject: x\r\n TLS-Required: No', 'absent'],
  ] as const) {
    test(`RTLS-09: ${JSON.stringify(line)}: ${expected}`, () => {
      covers('RTLS-09', { observe: 'pure' })
      assert.equal(field(`From: a@example.com\r\n${line}\r\nTo: b@example.net\r\n`), expected)
    })
  }

  for (const [values, expected] of [
    [['No', 'No'], 'repeated'],
    [['No', 'Yes'], 'repeated'],
    [['Yes', 'No'], 'repeated'],
  ] as const) {
    test(`RTLS-10: ${values.join(' and ')}: nobody can say which one is meant`, () => {
      covers('RTLS-10', { observe: 'pure' })
      assert.equal(field(values.map((value) => `TLS-Required: ${value}\r\n`).join('Subject: x\r\n')), expected)
    })
  }
})

describe('RFC 8689 §4.1: the tag of a message', () => {
  for (const [asked, expected] of [
    [{ parameter: false, field: 'absent', allowed: true }, { tls: 'default' }],
    [{ parameter: true, field: 'absent', allowed: true }, { tls: 'requiretls' }],
    [{ parameter: false, field: 'no', allowed: true }, { tls: 'tls-optional' }],
    [
      { parameter: true, field: 'no', allowed: true },
      { tls: 'requiretls', fieldIgnored: 'overruled' },
    ],
    [
      { parameter: false, field: 'no', allowed: false },
      { tls: 'default', fieldIgnored: 'not-allowed' },
    ],
    [
      { parameter: true, field: 'no', allowed: false },
      { tls: 'requiretls', fieldIgnored: 'overruled' },
    ],
    [
      { parameter: false, field: 'repeated', allowed: true },
      { tls: 'default', fieldIgnored: 'repeated' },
    ],
    [
      { parameter: true, field: 'repeated', allowed: false },
      { tls: 'requiretls', fieldIgnored: 'repeated' },
    ],
    [
      { parameter: false, field: 'another-value', allowed: true },
      { tls: 'default', fieldIgnored: 'another-value' },
    ],
  ] as const) {
    test(`${asked.parameter ? 'parameter, ' : ''}field ${asked.field}${asked.allowed ? '' : ' of somebody who may not'}: ${expected.tls}`, () => {
      assert.deepEqual(messageTag({ ...asked, allowed: () => asked.allowed }), expected)
    })
  }
})
