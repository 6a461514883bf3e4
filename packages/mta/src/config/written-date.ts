/**
 * A TOML date as it was written: a Date alone does not say whether it had a time or an offset (TOML 1.0, "Local Date"). Data.
 */
export class WrittenDate extends Date {
  readonly written: string

  constructor(value: Date, written: string) {
    super(value)
    this.written = written
  }
}
