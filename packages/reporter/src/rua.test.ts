import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { parseRua, RUA_OCTETS_MAX } from './rua.ts'

const read = (uri: string) => {
  const rua = parseRua(uri)
  if (!rua.ok) return rua.error.kind
  return rua.value.kind === 'mailto' ? rua.value.address : `${rua.value.host} ${rua.value.port} ${rua.value.path}`
}

describe('RFC 6068: the address of a mailto URI, and nothing else of it', () => {
  for (const [uri, expected, why] of [
    ['mailto:r@x.example', 'r@x.example', 'an address'],
    ['MAILTO:R@X.Example', 'R@x.example', 'schemes and domains know no case, local parts do'],
    ['mailto:r@x.example?bcc=v@y.example&subject=z', 'r@x.example', 'header fields are ignored'],
    ['mailto:r@x.example?body=%0d%0aX', 'r@x.example', 'and what they hold is'],
    ['mailto:r%2Btls@x.example', 'r+tls@x.example', 'decoded'],
    ['mailto:r+tls@x.example', 'r+tls@x.example', 'a plus is a plus'],
    ['mailto:a%2Cb@x.example', '"a,b"@x.example', 'one address, with a comma in it'],
    ['mailto:%22a%20b%22@x.example', '"a b"@x.example', 'a quoted string'],
    ['mailto:%22ab%22@x.example', 'ab@x.example', 'quotes that are not needed go'],
    ['mailto:r@b%C3%BCcher.example', 'r@xn--bcher-kva.example', 'a U-label'],
    ['mailto:r@x.example.', 'r@x.example', 'one last dot'],
    ['mailto:r@x.example%0d%0aBcc:%20v@y.example', 'mailto-control-character', 'a header injected'],
    ['mailto:r%0a@x.example', 'mailto-control-character', 'a bare LF'],
    ['mailto:r%00@x.example', 'mailto-control-character', 'NUL'],
    ['mailto:r%C2%85@x.example', 'mailto-control-character', 'a C1 control'],
    ['mailto:r@x.example%3E%20SIZE=1', 'invalid-domain', 'the end of a path injected'],
    ['mailto:a@x.example%2Cb@y.example', 'mailto-malformed-address', 'two addresses'],
    ['mailto:%C3%BC@x.example', 'mailto-non-ascii', 'a local part that needs SMTPUTF8'],
    ['mailto:%FF@x.example', 'mailto-malformed-address', 'not UTF-8'],
    ['mailto:', 'mailto-without-address', 'nothing'],
    ['mailto:?to=r@x.example', 'mailto-without-address', 'an address among the fields only'],
    ['mailto:r', 'mailto-malformed-address', 'no domain'],
    ['mailto:@x.example', 'mailto-malformed-address', 'no local part'],
    ['mailto://r@x.example', 'mailto-malformed-address', 'slashes'],
    ['mailto:r@localhost', 'invalid-domain', 'a name without a dot'],
    ['mailto:r@192.0.2.1', 'invalid-domain', 'an address for a domain'],
    [`mailto:${'a'.repeat(65)}@x.example`, 'mailto-malformed-address', 'a local part of 65 octets'],
    ['mailto:r @x.example', 'malformed-uri', 'a space'],
    ['mailto:r\u00fc@x.example', 'malformed-uri', 'not ASCII'],
    ['mailto:a@x.example!10m', 'malformed-uri', 'a size limit as in DMARC'],
  ] as const) {
    test(`${why}: ${uri.slice(0, 60)}`, () => assert.equal(read(uri), expected))
  }
})

describe('RFC 9110 §4.2.2: where an https URI leads', () => {
  for (const [uri, expected, why] of [
    ['https://x.example/v1/r?a=b', 'x.example 443 /v1/r?a=b', 'path and query as published'],
    ['https://X.Example', 'x.example 443 /', 'no path'],
    ['https://x.example?q', 'x.example 443 /?q', 'a query alone'],
    ['https://x.example:8443/', 'x.example 8443 /', 'a port'],
    ['https://x.example:/', 'x.example 443 /', 'an empty port'],
    ['https://x.example/a/../b//c', 'x.example 443 /a/../b//c', 'nothing is normalised'],
    ['https://x.example/%7Er#part', 'x.example 443 /%7Er', 'a fragment is not sent'],
    ['https:///r', 'https-without-host', 'no host'],
    ['https:x.example', 'https-without-host', 'no authority'],
    ['https://user:secret@x.example/', 'https-with-credentials', 'credentials'],
    ['https://x.example:0/', 'https-invalid-port', 'port 0'],
    ['https://x.example:65536/', 'https-invalid-port', 'port 65536'],
    ['https://x.example:8x/', 'invalid-domain', 'no number'],
    ['https://127.0.0.1/', 'invalid-domain', 'an address'],
    ['https://[::1]/', 'invalid-domain', 'an IPv6 address'],
    ['https://0x7f.1/', 'invalid-domain', 'an address in disguise'],
    ['https://localhost/', 'invalid-domain', 'a name without a dot'],
    ['https://x%2eexample/', 'x.example 443 /', 'an encoded dot is a dot'],
    ['https://x.example%00/', 'invalid-domain', 'NUL'],
    ['https://x.example/a\nb', 'malformed-uri', 'a line break'],
    ['https://x.example/[', 'malformed-uri', 'a bracket'],
    ['https://x.example/a#b#c', 'malformed-uri', 'two fragments'],
    ['//x.example/', 'malformed-uri', 'no scheme'],
    ['javascript:alert(1)', 'unsupported-scheme', 'something else'],
    [`https://x.example/${'a'.repeat(RUA_OCTETS_MAX)}`, 'uri-too-long', 'beyond measure'],
  ] as const) {
    test(`${why}: ${uri.slice(0, 60)}`, () => assert.equal(read(uri), expected))
  }
})

test('no text makes the reader throw, and an address never holds a control character', () => {
  const piece = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom('mailto:', 'https://', '%', '%0A', '%2C', '@', 'x.y'),
  )
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      assert.match(read(pieces.join('')), /^[\x20-\x7e]+$/)
    }),
  )
})
