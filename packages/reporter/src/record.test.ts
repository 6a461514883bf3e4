import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { err, parseDomainName } from '@hermetic/policy'
import fc from 'fast-check'
import { covers } from '../../../test/conformance/covers.ts'
import { IGNORED_MAX, parseTlsrptRecord, RUA_MAX, selectTlsrptRecord, tlsrptRecordName } from './record.ts'
import { parseRua } from './rua.ts'

/** The targets' URIs, or why there is no record. */
const targetsOf = (...records: readonly (readonly string[])[]) => {
  const selected = selectTlsrptRecord(records)
  return selected.ok ? selected.value.targets.map(({ uri }) => uri) : selected.error.kind
}
const MAIL = 'mailto:a@x.example'
const WEB = 'https://x.example/r'

describe('RFC 8460 §3: which TXT record it is', () => {
  test('RPT-03: the version comes first and is case-sensitive', () => {
    covers('RPT-03', { observe: 'pure' })
    for (const text of [
      `v=tlsrptv1; rua=${MAIL}`,
      `rua=${MAIL}; v=TLSRPTv1`,
      `V=TLSRPTv1;rua=${MAIL}`,
      ` v=TLSRPTv1;`,
    ]) {
      assert.equal(targetsOf([text]), 'no-record', text)
    }
  })

  test('RPT-04: of several records, those that begin with something else are dropped', () => {
    covers('RPT-04', { observe: 'pure' })
    assert.deepEqual(targetsOf(['v=spf1 -all'], [`v=TLSRPTv1;rua=${MAIL}`], ['v=TLSRPTv10;rua=x:y']), [MAIL])
    assert.deepEqual(targetsOf([`v=TLSRPTv1 ;rua=${WEB}`], [`v=TLSRPTv1;rua=${MAIL}`]), [MAIL])
    assert.deepEqual(targetsOf([`v=TLSRPTv1 ;rua=${WEB}`]), [WEB], 'alone, the grammar decides')
    assert.equal(targetsOf(['other'], ['v=spf1 -all']), 'no-record')
    assert.equal(targetsOf(), 'no-record')
  })

  test('RPT-05: two records are none, even when they say the same', () => {
    covers('RPT-05', { observe: 'pure' })
    const text = `v=TLSRPTv1;rua=${MAIL}`
    assert.deepEqual(selectTlsrptRecord([[text], [text], ['x']]), err({ kind: 'several-records', count: 2 }))
  })

  test('RPT-06: the strings of one record are joined without a separator', () => {
    covers('RPT-06', { observe: 'pure' })
    assert.deepEqual(targetsOf(['v=TLS', 'RPTv1;r', 'ua=mailto:a@', 'x.example']), [MAIL])
  })

  test('the record lies at _smtp._tls below the policy domain', () => {
    const domain = parseDomainName('B\u00fccher.example')
    assert.ok(domain.ok)
    assert.deepEqual(tlsrptRecordName(domain.value), { ok: true, value: '_smtp._tls.xn--bcher-kva.example' })
  })
})

describe('RFC 8460 §3: what the record says', () => {
  test('RPT-07: commas and semicolons may have spaces and tabs around them, and the last semicolon may be absent', () => {
    covers('RPT-07', { observe: 'pure' })
    for (const text of [
      'v=TLSRPTv1;rua=mailto:a@x.example , https://x.example/r ;',
      'v=TLSRPTv1; rua=mailto:a@x.example,https://x.example/r',
      'v=TLSRPTv1\t; \trua=mailto:a@x.example\t,\t https://x.example/r; ',
    ]) {
      assert.deepEqual(targetsOf([text]), [MAIL, WEB], text)
    }
    for (const rua of [
      `${MAIL} `,
      ` ${MAIL}`,
      `${MAIL} other`,
      `${MAIL},`,
      `,${MAIL}`,
      ',',
      '',
      'noscheme',
      'mailto:%',
    ]) {
      assert.equal(targetsOf([`v=TLSRPTv1;rua=${rua}`]), 'malformed-uri', rua)
    }
    assert.equal(targetsOf([`v=TLSRPTv1; rua=${MAIL};;`]), 'malformed-field')
  })

  test('RPT-08: the record is split before anything is decoded, and a size suffix as in DMARC is no URI', () => {
    covers('RPT-08', { observe: 'pure' })
    const read = selectTlsrptRecord([['v=TLSRPTv1;rua=mailto:a%2Cb@x.example,mailto:c%3Bd%21e@x.example']])
    assert.ok(read.ok)
    const addresses = read.value.targets.map((rua) => rua.kind === 'mailto' && rua.address)
    assert.deepEqual(addresses, ['"a,b"@x.example', '"c;d!e"@x.example'])
    assert.equal(targetsOf([`v=TLSRPTv1;rua=${MAIL}!10m`]), 'malformed-uri')
  })

  test('RPT-09: unknown fields are ignored when they are well-formed', () => {
    covers('RPT-09', { observe: 'pure' })
    assert.deepEqual(targetsOf([`v=TLSRPTv1; ruf=x; rua=${MAIL}`]), [MAIL])
    assert.deepEqual(targetsOf([`v=TLSRPTv1; rua=${MAIL}; RUA=nothing; v=TLSRPTv2; A1_.-=!"#/<>@~`]), [MAIL])
    for (const field of ['more=', '=x', 'bad', '1%=a', 'test==', '_x=1', `${'a'.repeat(33)}=1`, 'a=b c']) {
      assert.deepEqual(parseTlsrptRecord(`v=TLSRPTv1;${field};rua=${MAIL}`), err({ kind: 'malformed-field', field }))
    }
    assert.deepEqual(parseTlsrptRecord(`v=TLSRPTv1;rua=${MAIL};a=\u00e9`), err({ kind: 'not-ascii' }))
  })

  test('a record without rua is none, and repeated lists are one, each place once', () => {
    for (const text of ['v=TLSRPTv1', 'v=TLSRPTv1;', 'v=TLSRPTv1; ext=1'])
      assert.equal(targetsOf([text]), 'missing-rua')
    assert.deepEqual(targetsOf([`v=TLSRPTv1;rua=${MAIL},${WEB};rua=${MAIL}`]), [MAIL, WEB])
  })

  test('RPT-11: what is neither mailto nor https is ignored, and the rest of the list counts', () => {
    covers('RPT-11', { observe: 'pure' })
    const read = selectTlsrptRecord([[`v=TLSRPTv1;rua=ftp://x,${MAIL},http://x.example/,mailto:%0d%0abcc:v@y.example`]])
    assert.ok(read.ok)
    assert.deepEqual(
      read.value.targets.map(({ uri }) => uri),
      [MAIL],
    )
    assert.deepEqual(read.value.ignored, [
      { uri: 'ftp://x', error: { kind: 'unsupported-scheme', scheme: 'ftp' } },
      { uri: 'http://x.example/', error: { kind: 'unsupported-scheme', scheme: 'http' } },
      { uri: 'mailto:%0d%0abcc:v@y.example', error: { kind: 'mailto-control-character' } },
    ])
  })

  test('one place is served once, however it is written, and whatever else the URI says', () => {
    const read = parseTlsrptRecord(
      `v=TLSRPTv1; rua=${[
        'mailto:a@x.example',
        'MAILTO:a@X.example',
        'mailto:%61@x.example?subject=z',
        'mailto:A@x.example',
        'https://x.example/r',
        'https://X.example:443/r#f',
        'https://x.example/R',
      ].join(',')}`,
    )
    assert.ok(read.ok)
    assert.deepEqual(
      read.value.targets.map(({ uri }) => uri),
      ['mailto:a@x.example', 'mailto:A@x.example', 'https://x.example/r', 'https://x.example/R'],
    )
    assert.deepEqual(
      read.value.ignored.map(({ error }) => error.kind),
      ['repeated', 'repeated', 'repeated'],
    )
  })

  test('of thousands of URIs that are of no use, some are told', () => {
    const uris = Array.from({ length: 5_000 }, (_, at) => `x:${at}`)
    const read = parseTlsrptRecord(`v=TLSRPTv1; rua=${uris.join(',')},mailto:a@x.example`)
    assert.ok(read.ok)
    assert.deepEqual([read.value.targets.length, read.value.ignored.length], [1, IGNORED_MAX])
  })

  test('more places than a domain needs are ignored', () => {
    const many = Array.from({ length: RUA_MAX + 3 }, (_, at) => `mailto:r${at}@x.example`)
    const read = parseTlsrptRecord(`v=TLSRPTv1;rua=${many.join(',')}`)
    assert.ok(read.ok)
    assert.equal(read.value.targets.length, RUA_MAX)
    assert.deepEqual(
      read.value.ignored.map(({ error }) => error.kind),
      ['too-many', 'too-many', 'too-many'],
    )
  })
})

test('whatever DNS carries is read without an exception, and only usable places come out', () => {
  const string = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('v=TLSRPTv1', ';', ' rua=', 'mailto:', 'https://', 'a@x.example', ',', '%0a', 'v=TLSRPTv1;rua='),
  )
  fc.assert(
    fc.property(fc.array(fc.array(string), { maxLength: 4 }), (records) => {
      const selected = selectTlsrptRecord(records)
      for (const rua of selected.ok ? selected.value.targets : []) {
        if (rua.kind === 'mailto') assert.match(rua.address, /^[\x20-\x7e]+@[a-z0-9.-]+$/)
        else assert.match(`${rua.host}${rua.path}`, /^[a-z0-9.-]+\/[\x21-\x7e]*$/)
      }
    }),
  )
})

test('a record that is written comes back as it was', () => {
  const word = fc.stringMatching(/^[a-z0-9]{1,8}$/)
  const place = fc.oneof(
    fc.tuple(word, word).map(([user, host]) => `mailto:${user}@${host}x.example`),
    fc.tuple(word, word).map(([host, path]) => `https://${host}x.example/${path}`),
  )
  const extension = fc.tuple(fc.stringMatching(/^[A-Z][A-Z0-9_.-]{0,9}$/), fc.stringMatching(/^[!-:<>-~]{1,9}$/))
  const space = fc.stringMatching(/^[ \t]{0,3}$/)
  fc.assert(
    fc.property(
      fc.uniqueArray(place, { minLength: 1, maxLength: RUA_MAX }),
      fc.array(extension),
      space,
      fc.boolean(),
      (places, extensions, gap, closed) => {
        const delimiter = `${gap};${gap}`
        const fields = [`rua=${places.join(`${gap},${gap}`)}`, ...extensions.map(([name, value]) => `${name}=${value}`)]
        const text = ['v=TLSRPTv1', ...fields].join(delimiter) + (closed ? delimiter : '')
        const read = parseTlsrptRecord(text)
        assert.ok(read.ok, text)
        assert.deepEqual(
          read.value.targets.map(({ uri }) => uri),
          places,
        )
        assert.deepEqual(read.value.ignored, [])
      },
    ),
  )
})

test('the largest record that DNS can carry is read in no time, whatever it repeats', () => {
  for (const unit of [' ', '\t', ';', ',', '; ', '=', 'a', '%41', ':', '/', '@', '[', ' ;x=1', ',a:b']) {
    for (const head of ['v=TLSRPTv1;', 'v=TLSRPTv1;rua=mailto:', 'v=TLSRPTv1;rua=https://']) {
      const began = performance.now()
      parseTlsrptRecord(`${head}${unit.repeat(65_000 / unit.length)} x`)
      assert.ok(performance.now() - began < 500, `${head} ${JSON.stringify(unit)}`)
    }
  }
})

const VECTORS = new URL('../../../../shared/vectors/tlsrpt_txt.json', import.meta.url)

interface Vector {
  readonly id: string
  readonly kind: 'record' | 'lookup' | 'schemes'
  readonly txt?: string
  readonly answers?: readonly (readonly string[])[]
  readonly ruas?: readonly string[]
  readonly expected: boolean | string
  readonly verdicts: Readonly<Record<string, { readonly ruas?: readonly unknown[] }>>
}

/** Where the source and we part, and what decides. */
const DISAGREEMENTS: Readonly<Record<string, string>> = {
  'rpttxt-002': 'RFC 8460 §3, tlsrpt-record: no white space behind a last field without delimiter',
  'rpttxt-034': 'RFC 8460 §3, tlsrpt-record: the grammar allows two rua fields',
}

function isAccepted({ kind, txt, answers, ruas }: Vector): boolean {
  if (kind === 'schemes') return (ruas ?? []).every((uri) => parseRua(uri).ok)
  return selectTlsrptRecord(answers ?? [[txt ?? '']]).ok
}

test('the records of other implementations are read as they read them, or the RFC decides', {
  skip: existsSync(VECTORS) ? false : 'no ../shared/vectors beside the checkout',
}, () => {
  const { cases }: { cases: readonly Vector[] } = JSON.parse(readFileSync(VECTORS, 'utf8'))
  assert.equal(cases.length, 53)
  const different = cases.filter((one) => isAccepted(one) !== (one.expected === true || one.expected === 'ok'))
  assert.deepEqual(
    different.map(({ id }) => id),
    Object.keys(DISAGREEMENTS),
  )
  for (const { id, txt, answers, verdicts, kind } of cases) {
    const targets = kind === 'schemes' ? 'schemes' : targetsOf(...(answers ?? [[txt ?? '']]))
    for (const { ruas } of Object.values(verdicts)) {
      if (ruas !== undefined && Array.isArray(targets)) assert.deepEqual(targets, ruas.flat(), id)
    }
  }
  for (const { answers = [] } of cases.filter(({ expected }) => expected === 'multiple')) {
    assert.equal(targetsOf(...answers), 'several-records')
  }
})
