/**
 * A process that holds an unbound of its own, for the test that kills it: prints the pid of unbound and waits.
 * Arguments: directory, port of the name server, trust anchor.
 */
import { openTrustedDns, programFolders } from '@hermetic/policy'

const [directory = '', port = '', anchor = ''] = process.argv.slice(2)
const dns = await openTrustedDns({
  ...{ servers: [{ address: '127.0.0.1', port: Number(port) }], serversNamed: true, trust: 'auto', dane: 'auto' },
  ...{ remembered: false, remember: async () => undefined },
  unbound: { directory, folders: programFolders(process.env['PATH'] ?? ''), anchors: [anchor] },
  emit: (event) => {
    if (event.event === 'unbound-started') console.log(event.pid)
  },
})
if (dns.state().kind !== 'validating') process.exit(1)
