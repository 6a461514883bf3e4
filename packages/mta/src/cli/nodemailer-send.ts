/**
 * `hermetic send`: hands one message to a relay as an application would, with nodemailer as the client. For the
 * first message, and to see whether a login and a certificate work.
 */
import { readFileSync } from 'node:fs'
import { createTransport } from 'nodemailer'
import { describeSystemError, systemErrorCode } from '../config/system-error.ts'
import { readArguments } from './arguments.ts'
import { EXIT, type Terminal, UsageError, UserError, type Verb } from './verb.ts'

const TIMEOUT_MS = 30_000
const SERVER = /^(?<host>\[[0-9a-fA-F:]+\]|[^:]+):(?<port>\d{1,5})$/

const OPTIONS = {
  server: { type: 'string', default: '127.0.0.1:2587' },
  tls: { type: 'string', default: 'starttls' },
  ca: { type: 'string' },
  user: { type: 'string' },
  password: { type: 'string' },
  from: { type: 'string', default: 'app@example.com' },
  to: { type: 'string', multiple: true },
  subject: { type: 'string', default: 'A first message' },
  text: { type: 'string', default: 'It works.' },
  'require-tls': { type: 'boolean', default: false },
  'tls-optional': { type: 'boolean', default: false },
  notify: { type: 'string' },
  ret: { type: 'string' },
  envid: { type: 'string' },
} as const

export const send: Verb = {
  summary: 'hand one message to a relay, as an application would',
  help: `Usage: hermetic send --to ADDRESS [--to …] [--user NAME --password SECRET] [OPTIONS]

Sends one message and prints the relay's answer.

  --server HOST:PORT  where to; 127.0.0.1:2587 when absent
  --tls HOW           starttls (when absent), implicit or none
  --ca FILE           trust this certificate, PEM; data_dir/self-signed.pem for a first start
  --user, --password  the login; $HERMETIC_PASSWORD in place of --password keeps it out of the process list
  --from ADDRESS      app@example.com when absent
  --subject, --text   what it says
  --require-tls       REQUIRETLS: encrypted and to proven servers only, all the way, or back (RFC 8689)
  --tls-optional      TLS-Required: No: deliver it even where encryption fails that the destination demands
  --notify WHEN       ask for notifications: never, or any of success,failure,delay
  --ret WHAT          what a failure brings back: headers or full
  --envid ID          a name for this message that notifications repeat

Example:
  hermetic send --ca data/self-signed.pem --user app --password=… --to you@example.com
`,
  async run(args, terminal) {
    const { values } = readArguments(args, OPTIONS)
    const { to = [], from, subject, text, server } = values
    if (to.length === 0) throw new UsageError('--to is missing')
    const wish = { ...tlsWish(values), ...dsnWish(values, to) }
    const transport = createTransport(transportOptions(values, terminal))
    try {
      const { response } = await transport.sendMail({ from, to, subject, text, ...wish })
      terminal.out(`${response}\n`)
      return EXIT.done
    } catch (error) {
      throw new UserError(refusal(error, server))
    } finally {
      transport.close()
    }
  },
}

/** RFC 8689 §4.3: the parameter, the header field, or nothing. */
function tlsWish(values: { readonly 'require-tls': boolean; readonly 'tls-optional': boolean; readonly tls: string }) {
  if (values['require-tls'] && values['tls-optional'])
    throw new UsageError('--require-tls and --tls-optional exclude each other')
  if (values['require-tls'] && values.tls === 'none')
    throw new UsageError('--require-tls needs a session inside TLS, not --tls none')
  if (values['require-tls']) return { requireTLSExtensionEnabled: true }
  return values['tls-optional'] ? { headers: { 'TLS-Required': 'No' } } : {}
}

const NOTIFY = ['never', 'success', 'failure', 'delay'] as const
const RET = ['headers', 'full'] as const

/** RFC 3461 §4, in the words of nodemailer; it checks that `never` stands alone only by what the relay answers. */
function dsnWish(
  { notify, ret, envid }: { readonly notify?: string; readonly ret?: string; readonly envid?: string },
  to: readonly string[],
) {
  if (notify === undefined && ret === undefined && envid === undefined) return {}
  const when = (notify?.toLowerCase().split(',') ?? []).map((word) => {
    const known = NOTIFY.find((one) => one === word)
    if (known === undefined) throw new UsageError('--notify takes never, or any of success,failure,delay')
    return known
  })
  if (when.includes('never') && when.length > 1) throw new UsageError('--notify never stands alone')
  const back = RET.find((one) => one === ret?.toLowerCase())
  if (ret !== undefined && back === undefined) throw new UsageError('--ret takes headers or full')
  const [only] = to
  return {
    dsn: {
      ...(when.length === 0 ? {} : { notify: when }),
      ...(back === undefined ? {} : { return: back }),
      ...(envid === undefined ? {} : { id: envid }),
      // ORCPT goes with one recipient: nodemailer says the same for all.
      ...(to.length === 1 && only !== undefined ? { recipient: only } : {}),
    },
  }
}

function transportOptions(
  values: { server: string; tls: string; ca?: string; user?: string; password?: string },
  { env }: Terminal,
) {
  const { host, port } = SERVER.exec(values.server)?.groups ?? {}
  if (host === undefined) throw new UsageError(`--server ${values.server} is not HOST:PORT`)
  if (!['starttls', 'implicit', 'none'].includes(values.tls))
    throw new UsageError('--tls takes starttls, implicit or none')
  const password = values.password ?? env['HERMETIC_PASSWORD']
  if (values.user !== undefined && password === undefined) throw new UsageError('--user needs --password')
  return {
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port),
    secure: values.tls === 'implicit',
    requireTLS: values.tls === 'starttls',
    ignoreTLS: values.tls === 'none',
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
    ...(values.ca === undefined ? {} : { tls: { ca: certificatesIn(values.ca) } }),
    ...(values.user === undefined ? {} : { auth: { user: values.user, pass: password ?? '' } }),
  }
}

/** Our own file holds the key as well; only certificates are handed on. */
function certificatesIn(file: string): string {
  const found = readFileSync(file, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g)
  if (found === null) throw new UserError(`${file} has no certificate in it`)
  return found.join('\n')
}

function refusal(error: unknown, server: string): string {
  if (error instanceof Error && 'response' in error && typeof error.response === 'string') {
    return `the relay answered: ${error.response}`
  }
  const code = systemErrorCode(error)
  if (code === 'EREQUIRETLS') return 'the relay does not offer REQUIRETLS'
  if (code === 'ESOCKET' && error instanceof Error) {
    return `no session with ${server}: ${error.message}; is the relay running, and is its certificate trusted (--ca)?`
  }
  return code === undefined || !(error instanceof Error)
    ? String(error)
    : `no session with ${server}: ${describeSystemError(error)}`
}
