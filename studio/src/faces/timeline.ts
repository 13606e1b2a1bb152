/** The film's time, from 0 to 1, and the drawn frames that stand for it. */

const A_SECOND = 15; // frames that a preview has; between two of them one fades into the other
const FEWEST = 24;
const MOST = 120; // that one request may ask for

export function previewFrames(seconds: number): number {
  return Math.min(MOST, Math.max(FEWEST, Math.round(seconds * A_SECOND)));
}

/**
 * The frame at a time and the one that it fades into. A loop's frames are spread over the whole circle, the others
 * from the first to the last.
 */
export function framesAt(
  time: number,
  count: number,
  loop: boolean,
): { below: number; above: number; share: number } {
  const place = Math.min(1, Math.max(0, time)) * (loop ? count : count - 1);
  const floor = Math.floor(place);
  const below = loop ? floor % count : Math.min(floor, count - 1);
  const above = loop ? (below + 1) % count : Math.min(below + 1, count - 1);
  return { below, above, share: place - floor };
}

/** The time after so many seconds more: a loop begins anew, the others stop at their end. */
export function later(time: number, more: number, seconds: number, loop: boolean): number {
  const next = time + more / seconds;
  return loop ? next % 1 : Math.min(1, next);
}

/** The list with one element moved by a step; as it was where there is no room. */
export function moved<T>(list: T[], from: number, to: number): T[] {
  if (to < 0 || to >= list.length || from === to) return list;
  const rest = list.filter((_, i) => i !== from);
  return [...rest.slice(0, to), list[from]!, ...rest.slice(to)];
}
