/**
 * Postfix as the system to compare with, tuned as an operator who knows it would for this load: connection
 * caching with TLS connection reuse, the same delivery concurrency as the relay, no throttles meant for
 * strangers, minimal restriction lists, no lookup tables. Its fsync behaviour is the default. It logs to syslog; when nothing
 * listens there (a container), its lines cost it next to nothing, which is in its favour.
 */
import { execFile } from 'node:child_process'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { PostfixInstance } from '../interop/postfix-instance.ts'
import { NETWORK, SYSTEM_ADDRESS } from './network.ts'
import { DOMAIN, enterSystem, POLICY_DOMAIN, type SystemOptions, type SystemUnderTest } from './system.ts'

const PLAIN_PORT = 2526
const SECURED_PORT = 2527
const CREDENTIAL = { username: 'bench@relay.bench.test', secret: 'c2VjcmV0LWZvci10aGUtYmVuY2g' }

export async function startPostfix(options: SystemOptions): Promise<SystemUnderTest> {
  const dir = `${options.dir}/postfix`
  await mkdir(dir, { recursive: true })
  await makeSaslDatabase(dir)
  const settings = tuning(options)
  const instance = await PostfixInstance.start({
    dir,
    settings: { ...settings, ...plumbing(options, dir) },
    listeners: [
      `${SYSTEM_ADDRESS}:${PLAIN_PORT} inet n - n - - smtpd`,
      `${SYSTEM_ADDRESS}:${SECURED_PORT} inet n - n - - smtpd`,
      '  -o smtpd_tls_security_level=may',
      '  -o smtpd_sasl_auth_enable=yes',
      '  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject',
      '  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject',
    ],
    wrap: enterSystem(options),
  })
  return {
    name: 'postfix',
    recipientDomain: DOMAIN,
    version: `Postfix ${(await promisify(execFile)('postconf', ['-dh', 'mail_version'])).stdout.trim()}`,
    plainPort: PLAIN_PORT,
    securedPort: SECURED_PORT,
    credential: CREDENTIAL,
    cpu: options.cpu,
    settings: Object.entries(settings).map(([name, value]) => `${name} = ${value}`),
    stop: () => instance.stop(),
  }
}

/** What makes it fast; printed in the report, so that a reader can object. */
function tuning({ scenario }: SystemOptions): Record<string, string> {
  const slots = String(scenario.deliverySlots)
  return {
    smtp_tls_connection_reuse: 'yes',
    smtp_connection_cache_destinations: `${DOMAIN} ${POLICY_DOMAIN}`,
    smtp_connection_cache_time_limit: '10s',
    smtp_tls_session_cache_database: 'btree:$data_directory/smtp_scache',
    default_destination_concurrency_limit: slots,
    initial_destination_concurrency: slots,
    default_process_limit: '250',
    max_use: '10000',
    in_flow_delay: '0',
    qmgr_message_active_limit: '50000',
    qmgr_message_recipient_limit: '50000',
    message_size_limit: '33554432',
    smtpd_client_connection_count_limit: '0',
    smtpd_client_connection_rate_limit: '0',
    smtpd_client_event_limit_exceptions: 'static:all',
    smtpd_peername_lookup: 'no',
    smtpd_relay_restrictions: 'permit_mynetworks,reject',
    smtpd_recipient_restrictions: 'permit_mynetworks,reject',
    smtpd_tls_loglevel: '0',
    smtp_tls_loglevel: '0',
    smtp_tls_security_level: 'may',
    // What a resolver of MTA-STS policies would tell it, without the cost of asking one.
    smtp_tls_policy_maps: `inline:{ { ${POLICY_DOMAIN} = secure match=mx.${POLICY_DOMAIN} servername=hostname } }`,
  }
}

function plumbing(options: SystemOptions, dir: string): Record<string, string> {
  return {
    myhostname: 'postfix.bench.test',
    mynetworks: `127.0.0.0/8 ${NETWORK}`,
    smtpd_tls_cert_file: options.certFile,
    smtpd_tls_key_file: options.keyFile,
    smtpd_sasl_type: 'cyrus',
    smtpd_sasl_path: 'smtpd',
    cyrus_sasl_config_path: `${dir}/etc/sasl`,
    smtpd_sasl_local_domain: 'relay.bench.test',
    smtp_tls_CAfile: options.caFile,
  }
}

// Debian's smtpd(8) reads sasl/smtpd.conf below its configuration directory, others follow the setting.
async function makeSaslDatabase(dir: string): Promise<void> {
  await mkdir(`${dir}/etc/sasl`, { recursive: true })
  const database = `${dir}/etc/sasl/sasldb2`
  await writeFile(
    `${dir}/etc/sasl/smtpd.conf`,
    `pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: ${database}\nmech_list: PLAIN\n`,
  )
  const [user = '', realm = ''] = CREDENTIAL.username.split('@')
  const making = promisify(execFile)('saslpasswd2', ['-p', '-c', '-f', database, '-u', realm, user])
  making.child.stdin?.end(`${CREDENTIAL.secret}\n`)
  await making
  // smtpd(8) runs as the user postfix; the password is worthless outside the bench's namespace.
  await chmod(database, 0o644)
}
