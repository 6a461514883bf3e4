/**
 * A DNS server for the bench on a chosen port (resolv.conf knows no other than 53), with the lab's zones: both
 * systems look up MX records in the same way and nothing leaves the machine.
 *
 * Started by main.ts and policies.ts: `dns.ts ADDRESS PORT RECORDS_FILE`, where the file has names and their records.
 */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { decode, encode, RECURSION_AVAILABLE, RECURSION_DESIRED } from 'dns-packet'
import { answerFrom, type NameRecords, zone } from '../lab/dns-zone.ts'

const RCODE = { NOERROR: 0, NXDOMAIN: 3, REFUSED: 5 } as const

const [address = '127.0.0.1', port = '53', recordsFile = ''] = process.argv.slice(2)
const zones = [zone(JSON.parse(readFileSync(recordsFile, 'utf8')) as Record<string, NameRecords>)]

const socket = createSocket('udp4')
socket.on('message', (packet, peer) => {
  const query = decode(packet)
  const question = query.questions?.[0]
  if (question === undefined) return
  const { rcode, answers, authorities } = answerFrom(zones, question, { followAliases: true })
  const response = encode({
    type: 'response',
    id: query.id ?? 0,
    flags: RECURSION_DESIRED | RECURSION_AVAILABLE | RCODE[rcode],
    questions: [question],
    answers: [...answers],
    authorities: [...authorities],
  })
  socket.send(response, peer.port, peer.address)
})
socket.bind(Number(port), address, () => process.send?.({ kind: 'ready' }))
process.on('disconnect', () => process.exit(0))
