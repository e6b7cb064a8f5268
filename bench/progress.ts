// What a person sees while it runs.

export interface ProgressReporter {
  /** One line that replaces the last one on a terminal, and is left out elsewhere. */
  update(line: string): void
  /** A line that stays. */
  say(line: string): void
  done(): void
}
