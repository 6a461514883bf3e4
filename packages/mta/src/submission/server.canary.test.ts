/**
 * Canaries: each member of smtp-server that we override or rely on beyond its documentation, with what we assume of
 * it. A new version that changes one fails here, by name, and not in production.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'

const VERSION = '3.21.6'

function body(owner: { readonly prototype: object }, member: string): string {
  const found: unknown = Reflect.get(owner.prototype, member)
  assert(typeof found === 'function', `${member} is gone`)
  return Function.prototype.toString.call(found)
}

/** Without white space, so that reformatting is no change. */
function fingerprint(text: string): string {
  return createHash('sha256').update(text.replace(/\s+/g, '')).digest('hex').slice(0, 12)
}

describe(`smtp-server ${VERSION}`, () => {
  test('is the version that these assumptions were read from', () => {
    const file = createRequire(import.meta.url).resolve('smtp-server/package.json')
    assert.equal(JSON.parse(readFileSync(file, 'utf8')).version, VERSION)
  })

  // Overridden: what the library's own does is what we replace, and its callers must stay the same.
  const CALLERS: readonly (readonly [string, { readonly prototype: object }, string, string])[] = [
    ['connect calls init', SMTPServer, 'connect', 'connection.init()'],
    ['_setListeners arms the timeout through _armTimeout', SMTPConnection, '_setListeners', 'this._armTimeout()'],
    [
      '_setListeners pipes the socket into the parser',
      SMTPConnection,
      '_setListeners',
      'this._socket.pipe(this._parser)',
    ],
    ['_setListeners hands errors to _onError', SMTPConnection, '_setListeners', 'this._onError(err)'],
    ['_onCloseEvent calls _onClose', SMTPConnection, '_onCloseEvent', 'this._onClose()'],
    ['upgrade retires the parser that read in clear', SMTPConnection, 'upgrade', 'this._parser.isClosed = true'],
    ['upgrade makes a new parser', SMTPConnection, 'upgrade', 'this._parser = this._createParser()'],
    ['upgrade marks the handshake', SMTPConnection, 'upgrade', 'this._upgrading = true'],
    ['upgrade shows the TLS socket to _armTimeout', SMTPConnection, 'upgrade', 'this._armTimeout(tlsSocket)'],
    ['upgrade ends the mark before it pipes', SMTPConnection, 'upgrade', 'this._upgrading = false'],
    ['upgrade calls back when the handshake is done', SMTPConnection, 'upgrade', 'secureCallback()'],
    ['close stops the parser', SMTPConnection, 'close', 'this._parser.isClosed = true'],
    ['close ends the socket', SMTPConnection, 'close', 'this._socket.end()'],
    ['close bounds the wait for the FIN', SMTPConnection, 'close', 'this._closeTimer'],
    [
      '_upgrade shows the TLS socket in _pendingSockets',
      SMTPServer,
      '_upgrade',
      'this._pendingSockets.set(socket, secureSocket)',
    ],
  ]
  for (const [assumption, owner, member, text] of CALLERS) {
    test(assumption, () => assert(body(owner, member).includes(text)))
  }

  test('the constructor asks every accepted socket of _acceptSocket first, and calls back its release', () => {
    const text = Function.prototype.toString.call(SMTPServer)
    assert(text.includes('let release = this._acceptSocket(socket, handshake)'))
    assert(text.includes('if (!release)'))
    assert.equal(text.split('release()').length - 1, 2)
  })

  test('the constructor reads the PROXY header before a handshake, and hands what is read to connect', () => {
    const text = Function.prototype.toString.call(SMTPServer)
    assert(text.indexOf('this._handleProxy(socket') < text.indexOf('this._upgrade(socket'))
    assert(
      text.includes('this.connect(socket, socketOptions)') && text.includes('this.connect(tlsSocket, socketOptions)'),
    )
    assert(
      Function.prototype.toString.call(SMTPConnection).includes('options.remoteAddress || this._socket.remoteAddress'),
    )
  })

  test('the constructor of a connection makes its parser with _createParser', () => {
    assert(Function.prototype.toString.call(SMTPConnection).includes('this._parser = this._createParser()'))
  })

  test('nothing writes to the socket but send, which nothing that we keep calls', () => {
    for (const member of ['_setListeners', '_onCloseEvent', '_onClose', 'close', '_whenWritable']) {
      assert.equal(/this\.send\(|\.write\(/.test(body(SMTPConnection, member)), false, member)
    }
    // Only after an onSecure of ours refused, and there is none.
    assert.equal(body(SMTPConnection, 'upgrade').split('this._refuse(').length - 1, 1)
    assert.equal(/this\.send\(/.test(body(SMTPConnection, 'upgrade')), false)
  })

  test('a parser that ends flushes only what its own _write kept, and ours keeps nothing', () => {
    assert(body(SMTPStream, '_flushData').includes('if (this._remainder && !this.isClosed)'))
  })

  // Overridden whole: when one of these changes, read the change and decide whether ours must change with it.
  for (const [owner, member, known] of [
    [SMTPServer, 'connect', 'f2981a7dcc6f'],
    [SMTPServer, '_acceptSocket', '842f805ab628'],
    [SMTPServer, '_expectsProxyHeader', '14f2e21ea692'],
    [SMTPServer, '_handleProxy', 'f496799c50c5'],
    [SMTPConnection, 'init', '2036f072df5e'],
    [SMTPConnection, '_createParser', 'ab06b40f2809'],
    [SMTPConnection, '_armTimeout', '531e20edbb8a'],
    [SMTPConnection, '_onError', 'ac618c750b95'],
    [SMTPConnection, '_onClose', '0b11a21f105e'],
    [SMTPStream, '_write', '2e75f38f5392'],
  ] as const) {
    test(`${owner.name}.${member} is the one that was read`, () =>
      assert.equal(fingerprint(body(owner, member)), known))
  }
})
