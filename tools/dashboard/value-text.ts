/** Numbers as a dashboard shows them, by their unit. Pure. */
import type { Unit } from './panels.ts'

const DAY = 86_400

export function valueText(value: number, unit: Unit, decimals?: number): string {
  if (Number.isNaN(value)) return '–'
  switch (unit) {
    case 's':
      return secondsText(value)
    case 'percentunit':
      return `${short(value * 100, decimals)} %`
    case 'bytes':
      return scaled(value, ['B', 'KiB', 'MiB', 'GiB', 'TiB'], 1024)
    case 'cpm':
      return `${short(value, decimals)}/min`
    case 'short':
      return short(value, decimals)
  }
}

function secondsText(seconds: number): string {
  const size = Math.abs(seconds)
  if (size === 0) return '0 s'
  if (size < 0.001) return `${short(seconds * 1e6)} µs`
  if (size < 1) return `${short(seconds * 1_000)} ms`
  if (size < 120) return `${short(seconds)} s`
  if (size < 7_200) return `${short(seconds / 60)} min`
  return size < 2 * DAY ? `${short(seconds / 3_600)} h` : `${short(seconds / DAY)} d`
}

function scaled(value: number, units: readonly string[], base: number): string {
  const power = Math.min(units.length - 1, value > 0 ? Math.floor(Math.log(value) / Math.log(base)) : 0)
  return `${short(value / base ** power)} ${units[power]}`
}

function short(value: number, decimals?: number): string {
  if (Math.abs(value) >= 10_000) return `${short(value / 1_000)} k`
  if (value !== 0 && Math.abs(value) < 0.01 && decimals === undefined) return String(Number(value.toPrecision(1)))
  const places = decimals ?? (Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2)
  return String(Number(value.toFixed(places)))
}
