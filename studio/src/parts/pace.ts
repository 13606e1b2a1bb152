const JUDGE_AFTER = 0.4; // seconds

/** How many seconds are left of what `began` by the browser's clock; null until there is enough to judge by, and at the end. */
export function secondsLeft(began: number, done: number, total: number): number | null {
  const seconds = (performance.now() - began) / 1000;
  const left = (seconds / Math.max(1, done)) * (total - done);
  return seconds > JUDGE_AFTER && left > 1 ? left : null;
}
