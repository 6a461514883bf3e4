/**
 * The settings of a relay whose whole world is on loopback: its name server, mail hosts and policy hosts, and the
 * authority that both are certified by. For interop tests that hold real mail hosts against policies.
 */

export interface PolicyWorldPorts {
  readonly listen: number
  readonly dns: number
  /** Of every mail host. */
  readonly mx: number
  readonly policies: number
  readonly rootsFile: string
  /** `ad`: the name server validates DNSSEC. */
  readonly trust: 'ad' | 'none'
}

/** TOML; tables of a test's own may follow. */
export function policySettings({ listen, dns, mx, policies, rootsFile, trust }: PolicyWorldPorts): string {
  return `
[[listener]]
kind = "relay"
address = "127.0.0.1"
port = ${listen}
tls = "none"
allow_networks = ["127.0.0.0/8"]
[dns]
servers = ["127.0.0.1:${dns}"]
trust = "${trust}"
[delivery]
port = ${mx}
[trust]
ca_file = "${rootsFile}"
[mta_sts]
https_port = ${policies}
[egress]
smtp_networks = ["127.0.0.0/8"]
https_networks = ["127.0.0.0/8"]
[metrics]
listen = "127.0.0.1:0"
`
}
