/** Where a number that is set by hand may lie, and where it begins. */
export interface Range {
  min: number;
  max: number;
  step: number;
  initial: number;
}

/** The nearest value of the range; its initial one for what is no number. */
export function within(range: Range, value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value)) return range.initial;
  return Math.min(range.max, Math.max(range.min, value));
}

/** Every knob where it begins. */
export function initialOf<Knob extends string>(ranges: Record<Knob, Range>): Record<Knob, number> {
  return knobsFrom(ranges, {});
}

/** Knobs out of storage, where anything may have been written. */
export function knobsFrom<Knob extends string>(
  ranges: Record<Knob, Range>,
  stored: Record<string, unknown>,
): Record<Knob, number> {
  const knobs = Object.keys(ranges) as Knob[];
  return Object.fromEntries(knobs.map((knob) => [knob, within(ranges[knob], stored[knob])])) as Record<
    Knob,
    number
  >;
}
