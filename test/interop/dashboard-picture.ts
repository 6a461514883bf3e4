/**
 * Draws docs/operating/dashboard.png anew: five minutes of watched relays with traffic that swells and ebbs, then the
 * dashboard as one picture. Not a test. Needs what test:interop needs, and rsvg-convert for the PNG.
 *
 *   ./tools/node test/interop/dashboard-picture.ts --seconds 300 --out docs/operating/dashboard.png
 */
import { spawnSync } from 'node:child_process'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { drawDashboard } from '../../tools/dashboard/draw.ts'
import { PrometheusInstance } from './prometheus-instance.ts'
import { DESTINATIONS, type DestinationName, WatchedRelays } from './watched-relays.ts'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '300' }, out: { type: 'string', default: 'dashboard.png' } },
})
const seconds = Number(values.seconds)
const WELL: readonly DestinationName[] = ['plain.test', 'sts.test', 'dane.test', 'slow.test', 'testing.test']
const ALL = Object.keys(DESTINATIONS) as DestinationName[]
/** Of two waves in the whole time, a second. */
const MOST = 6

await using world = await WatchedRelays.start()
await using prometheus = await PrometheusInstance.start({
  dir: join(world.directory, 'prometheus'),
  targets: world.metricsPorts,
  scrapeSeconds: 2,
})
const from = Math.floor(Date.now() / 1_000)
for (let second = 0; second < seconds; second++) {
  const began = performance.now()
  const wave = (1 - Math.cos((second / seconds) * 4 * Math.PI)) / 2
  const messages = Array.from(
    { length: 1 + Math.round(wave * MOST) },
    (_, index) => WELL[(second + index) % WELL.length],
  )
  await world.submit(
    messages.filter((one) => one !== undefined),
    second % 2 === 0 ? 0 : 1,
  )
  if (second % 12 === 0) await world.submit(ALL, second % 24 === 0 ? 0 : 1)
  await sleep(Math.max(0, 1_000 - (performance.now() - began)))
}
const span = { from: from + 15, to: Math.floor(Date.now() / 1_000), step: 2 }
const variables = { job: 'hermetic', instance: '.*', rateInterval: '20s' }
const { svg, silent } = await drawDashboard(prometheus.url, { variables, span })
const drawing = `${values.out}.svg`
writeFileSync(drawing, svg)
const drawn = spawnSync('rsvg-convert', ['--width', '1200', '--output', values.out, drawing], { stdio: 'inherit' })
if (drawn.status === 0) rmSync(drawing)
// A third of the size, and just as sharp: it has few colours, and no dithering blurs them.
const smaller = spawnSync('pngquant', [
  ...'--speed 1 --strip --nofs --force --output'.split(' '),
  values.out,
  '256',
  values.out,
])
const smallest = spawnSync('optipng', ['-quiet', '-o5', values.out])
if (smaller.status !== 0 || smallest.status !== 0)
  console.log('pngquant or optipng is missing; the picture is larger than it need be')
console.log(drawn.status === 0 ? `Written: ${values.out}` : `rsvg-convert is missing; the drawing is ${drawing}`)
for (const query of silent) console.log(`no series: ${query}`)
