export const LARGEST_SEED = 2 ** 53 - 1; // beyond it, JavaScript's numbers skip some

/** A new seed, short enough to be read out. */
export function rollSeed(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! % 1_000_000_000;
}

export function isSeed(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
