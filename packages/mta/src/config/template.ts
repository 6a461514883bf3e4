/**
 * The configuration file that says everything: each setting with its sentence, type, source and default.
 * `hermetic describe-config` prints it; with nothing changed it means the same as no file. Pure.
 */
import { type OutlineEntry, type OutlineSetting, outline } from './outline.ts'
import type { SettingEntry } from './setting.ts'

const LINE_MAX = 110

export function configTemplate(): string {
  const intro = ['Every setting of Hermetic. Lines that begin with "# name =" have no fixed default.']
  return `${[...intro.map((line) => `# ${line}`), ...outline.flatMap(entryLines)].join('\n')}\n`
}

function entryLines(entry: OutlineEntry): readonly string[] {
  if (entry.kind === 'setting') return settingLines(entry)
  const header = entry.kind === 'table' ? `[${entry.names.join('.')}]` : `# [[${entry.names.join('.')}]]`
  return ['', '', ...comment(entry.sentence), header]
}

function settingLines({ names, entry }: OutlineSetting): readonly string[] {
  const isInList = outline.some(({ kind, names: list }) => kind === 'table-list' && list[0] === names[0])
  const value = entry.default === undefined ? (entry.example ?? '"…"') : tomlValue(entry.default)
  const mark = entry.default === undefined || isInList ? '# ' : ''
  return ['', ...comment(`${entry.sentence} (${remarks(entry)})`), `${mark}${names.at(-1)} = ${value}`]
}

function remarks(entry: SettingEntry): string {
  const presence = entry.required ? ['required'] : entry.default === undefined ? [`absent: ${entry.whenAbsent}`] : []
  return [entry.type, ...presence, entry.source].join('; ')
}

/** As it is written in the file. */
export function tomlValue(value: NonNullable<SettingEntry['default']>): string {
  return typeof value === 'object' ? `[${value.map((item) => JSON.stringify(item)).join(', ')}]` : JSON.stringify(value)
}

function comment(text: string): readonly string[] {
  const lines: string[] = []
  let line = '#'
  for (const word of text.split(' ')) {
    if (line.length + 1 + word.length > LINE_MAX) {
      lines.push(line)
      line = '#'
    }
    line += ` ${word}`
  }
  return [...lines, line]
}
