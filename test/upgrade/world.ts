/** Settings and DNS of a relay that is kept, and of the one that takes its mail over. */
import type { NameRecords } from '../lab/dns-server.ts'
import type { ScriptedMx } from '../lab/scripted-mx.ts'

export function settingsOf(dataDir: string, port: number): string {
  return `
data_dir = "${dataDir}"
[mta_sts]
enabled = false
[[listener]]
kind = "relay"
port = 0
tls = "none"
allow_networks = ["127.0.0.0/8"]
[delivery]
port = ${port}
`
}

export function recordsOf({ address }: ScriptedMx): Readonly<Record<string, NameRecords>> {
  return { 'example.test': { MX: [[10, 'mx.example.test']] }, 'mx.example.test': { A: [address] } }
}
