/** What arrows walk through: the result that is being made, those before it, the newest first, and an example. */
export abstract class Walk<T extends { id: string }> {
  running: T | null = $state(null);
  shownId = $state('');

  protected abstract get past(): T[];
  protected abstract get example(): T;

  get all(): T[] {
    const past = this.past.filter(({ id }) => id !== this.running?.id);
    return [...(this.running ? [this.running] : []), ...past, this.example];
  }

  get position(): number {
    return Math.max(
      0,
      this.all.findIndex(({ id }) => id === this.shownId),
    );
  }

  get shown(): T {
    return this.all[this.position] ?? this.example;
  }

  /** One step: 1 to an older result, -1 to a newer one. */
  walk(step: 1 | -1): void {
    this.shownId = this.all[this.position + step]?.id ?? this.shownId;
  }
}
