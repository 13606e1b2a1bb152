import type { Schemas } from '../api/client';
import type { Item } from '../history/store';
import { Store } from '../history/store';
import { initialOf, knobsFrom, within, type Range } from '../parts/knobs';
import { isSeed } from '../parts/seeds';
import { record, text } from '../write/order';

export type DrawModel = Schemas['DrawModel'];
export type Head = Schemas['DrawHead'];
export type What = NonNullable<Schemas['DrawAsk']['what']>;

/** A picture to begin with: a part of it is kept and the rest drawn (-1), or pictures like it are drawn. */
export type Source =
  { kind: 'complete'; given: number[] } | { kind: 'vary'; codes: number[]; strength: number };

export const RANGES = {
  count: { min: 1, max: 16, step: 1, initial: 4 },
  choice: { min: 1, max: 16, step: 1, initial: 8 },
  guidance: { min: 0, max: 10, step: 0.1, initial: 3 },
  temperature: { min: 0, max: 2, step: 0.05, initial: 1 },
  top_p: { min: 0.05, max: 1, step: 0.01, initial: 0.95 },
} satisfies Record<string, Range>;
export type Knob = keyof typeof RANGES;
export const KNOBS = Object.keys(RANGES) as Knob[];
export const STRENGTH: Range = { min: 0.05, max: 1, step: 0.05, initial: 0.5 };

/** Everything that, with a seed, makes the same pictures again. */
export interface Order {
  model: string;
  prompt: string;
  style: string | null;
  knobs: Record<Knob, number>;
  source: Source | null;
}

/** What came of an order. `codes` are the pictures themselves, for models of the same `book`. */
export interface Drawn extends Order, Item {
  seed: number;
  book: string;
  state: 'running' | 'done' | 'stopped';
  codes: number[][];
  scores: number[] | null;
  told: string; // the prompt as the model was told it
  warnings: { en: string; zh: string }[];
  seconds: number | null;
}

export function initialKnobs(): Record<Knob, number> {
  return initialOf(RANGES);
}

/** As the server takes it. A model without a CLIP has nothing to choose by, and draws no candidates. */
export function whatOf(order: Order, seed: number, ranks: boolean): What {
  const wish = {
    ...order.knobs,
    choice: ranks ? order.knobs.choice : 1,
    prompt: order.prompt,
    style: order.style,
    seed,
  };
  const { source } = order;
  if (source?.kind === 'vary')
    return { kind: 'vary', ...wish, codes: source.codes, strength: source.strength };
  return { kind: 'draw', ...wish, given: source?.given ?? null };
}

/** Codes with -1 where they are to be drawn anew. */
export function givenOf(codes: number[], free: boolean[]): number[] {
  return codes.map((code, i) => (free[i] ? -1 : code));
}

/** An order out of storage, where an older version or a curious hand may have written anything. */
export function orderFrom(value: unknown): Order {
  const from = record(value);
  return {
    model: text(from['model']),
    prompt: text(from['prompt']),
    style: text(from['style']) || null,
    knobs: knobsFrom(RANGES, record(from['knobs'])),
    source: sourceFrom(record(from['source'])),
  };
}

function sourceFrom(from: Record<string, unknown>): Source | null {
  const given = codesFrom(from['given'], -1);
  if (from['kind'] === 'complete' && given) return { kind: 'complete', given };
  const codes = codesFrom(from['codes'], 0);
  if (from['kind'] !== 'vary' || !codes) return null;
  return { kind: 'vary', codes, strength: within(STRENGTH, from['strength']) };
}

function codesFrom(value: unknown, least: number): number[] | null {
  if (!Array.isArray(value) || value.length === 0) return null;
  return value.every((code) => Number.isInteger(code) && code >= least) ? value : null;
}

function drawnFrom(id: string, value: unknown): Drawn | null {
  const from = record(value);
  if (!isSeed(from['seed']) || typeof from['at'] !== 'number') return null;
  const lists: unknown[] = Array.isArray(from['codes']) ? from['codes'] : [];
  const codes = lists.flatMap((list) => {
    const found = codesFrom(list, 0);
    return found ? [found] : [];
  });
  const scores: unknown[] = Array.isArray(from['scores']) ? from['scores'] : [];
  const warnings: unknown[] = Array.isArray(from['warnings']) ? from['warnings'] : [];
  const state = from['state'] === 'stopped' ? 'stopped' : from['state'] === 'running' ? 'running' : 'done';
  return {
    ...orderFrom(value),
    id,
    at: from['at'],
    seed: from['seed'],
    book: text(from['book']),
    state: state === 'done' && codes.length === 0 ? 'stopped' : state,
    codes,
    scores: scores.length === codes.length && scores.every((s) => typeof s === 'number') ? scores : null,
    told: text(from['told']),
    warnings: warnings.map((w) => ({ en: text(record(w)['en']), zh: text(record(w)['zh']) })),
    seconds: typeof from['seconds'] === 'number' ? from['seconds'] : null,
  };
}

export const store = new Store('drawn.', 300, drawnFrom);

/** How many pictures stand side by side, so that they are as large as can be where `ratio` is width to height. */
export function columnsOf(count: number, ratio: number): number {
  const size = (columns: number): number => Math.min(ratio / columns, 1 / Math.ceil(count / columns));
  let best = 1;
  for (let columns = 2; columns <= count; columns++) {
    const full = size(columns) === size(best) && count % columns === 0; // rows without a gap at the end
    if (size(columns) > size(best) || full) best = columns;
  }
  return best;
}
