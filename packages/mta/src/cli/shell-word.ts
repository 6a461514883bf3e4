/** One word for a POSIX shell, as it has to be typed. Pure. */

const PLAIN = /^[\w@%+=:,./-]+$/

export function shellWord(text: string): string {
  return PLAIN.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
