import { isSeed, rollSeed } from './seeds';

/** A seed on a desk: a new one each time, unless it is locked. */
export class Seeded {
  seed = $state(rollSeed());
  locked = $state(false);

  lock(seed: number): void {
    this.seed = seed;
    this.locked = true;
  }

  /** Out of storage, where only a locked one counts. */
  restore(stored: Record<string, unknown>): void {
    if (isSeed(stored['seed']) && stored['locked'] === true) this.lock(stored['seed']);
  }

  /** The seed of what is made next: the locked one, or a new one, which then shows. */
  nextSeed(): number {
    if (!this.locked) this.seed = rollSeed();
    return this.seed;
  }
}
