/** A smarthost with the server of nodemailer's author, for one AUTH mechanism of its own making. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SMTPServer, type SMTPServerAuthentication } from 'smtp-server'

export interface LoginServer extends AsyncDisposable {
  readonly port: number
  readonly logins: SMTPServerAuthentication[]
  readonly taken: () => number
}

export interface LoginServerOptions {
  readonly key: string
  readonly cert: string
  readonly method: string
  readonly accepts: (login: SMTPServerAuthentication) => boolean
}

export async function loginServer({ key, cert, method, accepts }: LoginServerOptions): Promise<LoginServer> {
  const logins: SMTPServerAuthentication[] = []
  let taken = 0
  const server = new SMTPServer({
    ...{ key, cert, authMethods: [method], disableReverseLookup: true },
    onAuth: (login, _session, callback) => {
      logins.push(login)
      if (accepts(login)) return callback(null, { user: login.username })
      callback(null, { data: { status: '401', schemes: 'bearer', scope: 'smtp' } })
    },
    onData: (stream, _session, callback) => {
      stream.resume().once('end', () => {
        taken += 1
        callback()
      })
    },
  })
  server.on('error', () => undefined)
  server.listen(0, '127.0.0.1')
  await once(server.server, 'listening')
  const { port } = server.server.address() as AddressInfo
  return {
    ...{ port, logins, taken: () => taken },
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  }
}
