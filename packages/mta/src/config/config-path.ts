/**
 * The way to a setting: names of tables and settings, and indexes of list items. Pure.
 */
export type ConfigPath = readonly (string | number)[]

/** Without the indexes: what the schema calls it. */
export function namesOf(path: ConfigPath): readonly string[] {
  return path.filter((step) => typeof step === 'string')
}

/** `listener[0].port`, as messages show it. */
export function formatPath(path: ConfigPath): string {
  return path
    .map((step, position) => (typeof step === 'number' ? `[${step}]` : position === 0 ? step : `.${step}`))
    .join('')
}

/** The same path, or one below it. */
export function isWithin(path: ConfigPath, outer: ConfigPath): boolean {
  return outer.every((step, depth) => step === path[depth])
}

/** Items of lists in the order of their indexes. */
export function comparePaths(left: ConfigPath, right: ConfigPath): number {
  for (const [depth, step] of left.entries()) {
    const other = right[depth]
    if (step === other) continue
    if (typeof step === 'number' && typeof other === 'number') return step - other
    return String(step) < String(other) ? -1 : 1
  }
  return 0
}
