export interface Point {
  step: number;
  loss: number;
}

/** Where points lie in a chart of `width` by `height`, the largest loss on top. */
export interface Frame {
  width: number;
  height: number;
  steps: number;
  low: number;
  high: number;
}

/** A frame that holds all points, with a little room above and below. */
export function frameOf(
  series: readonly (readonly Point[])[],
  steps: number,
  width: number,
  height: number,
): Frame {
  const losses = series.flatMap((points) => points.map(({ loss }) => loss));
  const low = Math.min(...losses);
  const high = Math.max(...losses);
  const room = (high - low) * 0.06 || Math.abs(high) * 0.06 || 1;
  const last = Math.max(1, steps, ...series.flatMap((points) => points.map(({ step }) => step)));
  return { width, height, steps: last, low: low - room, high: high + room };
}

export function xOf(frame: Frame, step: number): number {
  return (frame.width * step) / frame.steps;
}

export function yOf(frame: Frame, loss: number): number {
  return (frame.height * (frame.high - loss)) / (frame.high - frame.low);
}

/** A polyline's points. */
export function pathOf(frame: Frame, points: readonly Point[]): string {
  return points
    .map(({ step, loss }) => `${xOf(frame, step).toFixed(1)},${yOf(frame, loss).toFixed(1)}`)
    .join(' ');
}

/** A few round values between two, for lines across a chart. */
export function ticksOf(low: number, high: number, most = 4): number[] {
  const rough = (high - low) / most;
  if (!(rough > 0)) return [low];
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= rough)!;
  const ticks: number[] = [];
  for (let n = Math.ceil(low / step); n * step <= high; n++) ticks.push(Number((n * step).toPrecision(12)));
  return ticks;
}
