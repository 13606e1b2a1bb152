import type { Schemas } from '../api/client';
import { Store, type Item } from '../history/store';
import { initialOf, knobsFrom, type Range } from '../parts/knobs';
import { isSeed } from '../parts/seeds';
import { record, text } from '../write/order';

export type PoemModel = Schemas['PoemModel'];
export type Terms = Schemas['PoemTerms'];
export type Ask = Schemas['PoemAsk'];
export type Event = Schemas['PoemEvent'];
export type Verdict = Schemas['PoemVerdict'];
export type Line = Schemas['PoemLine'];
export type Poem = Schemas['WrittenPoem'];
export type OldPoem = Schemas['OldPoem'];

export const RANGES = {
  count: { min: 1, max: 12, step: 1, initial: 2 },
  candidates: { min: 1, max: 32, step: 1, initial: 16 },
  guidance: { min: 0, max: 5, step: 0.1, initial: 1.5 },
  temperature: { min: 0.05, max: 2, step: 0.05, initial: 0.8 },
} satisfies Record<string, Range>;
export type Knob = keyof typeof RANGES;
export const KNOBS = Object.keys(RANGES) as Knob[];

/** Everything that, with a seed, makes the same poems again. */
export interface Order {
  model: string;
  theme: string;
  form: string;
  rhyme: string;
  rhymeClass: string;
  tones: boolean;
  acrostic: string;
  author: string;
  knobs: Record<Knob, number>;
}

/** What came of an order. */
export interface Written extends Order, Item {
  seed: number;
  state: 'running' | 'done' | 'stopped';
  poems: Poem[];
  seconds: number | null;
}

export const FIRST_FORM = '七绝';
export const FIRST_BOOK = '平水韵';

export function initialKnobs(): Record<Knob, number> {
  return initialOf(RANGES);
}

export function initialOrder(model = ''): Order {
  return {
    model,
    theme: '',
    form: FIRST_FORM,
    rhyme: FIRST_BOOK,
    rhymeClass: '',
    tones: true,
    acrostic: '',
    author: '',
    knobs: initialKnobs(),
  };
}

/** As the server takes it. */
export function askOf(order: Order, seed: number): Ask {
  const { model, theme, form, rhyme, rhymeClass, tones, acrostic, author, knobs } = order;
  const asked = { model, theme, form, rhyme, tones, author, ...knobs, seed };
  return { ...asked, rhyme_class: rhymeClass, acrostic: acrostic.trim() };
}

/** An order out of storage, where an older version or a curious hand may have written anything. */
export function orderFrom(value: unknown): Order {
  const from = record(value);
  return {
    model: text(from['model']),
    theme: text(from['theme']),
    form: text(from['form']) || FIRST_FORM,
    rhyme: text(from['rhyme']) || FIRST_BOOK,
    rhymeClass: text(from['rhymeClass']),
    tones: from['tones'] !== false,
    acrostic: text(from['acrostic']),
    author: text(from['author']),
    knobs: knobsFrom(RANGES, record(from['knobs'])),
  };
}

function writtenFrom(id: string, value: unknown): Written | null {
  const from = record(value);
  if (!isSeed(from['seed']) || typeof from['at'] !== 'number') return null;
  const stored: unknown[] = Array.isArray(from['poems']) ? from['poems'] : [];
  const poems = stored.flatMap((poem) => poemFrom(poem) ?? []);
  const state = from['state'] === 'running' || from['state'] === 'stopped' ? from['state'] : 'done';
  return {
    ...orderFrom(value),
    id,
    at: from['at'],
    seed: from['seed'],
    state: state === 'done' && poems.length === 0 ? 'stopped' : state,
    poems,
    seconds: typeof from['seconds'] === 'number' ? from['seconds'] : null,
  };
}

function poemFrom(value: unknown): Poem | null {
  const from = record(value);
  const lines = (Array.isArray(from['lines']) ? from['lines'] : []).map((line) => lineFrom(record(line)));
  if (lines.length === 0 || lines.some((line) => line.text === '')) return null;
  const both = (from: unknown): { en: string; zh: string } => ({
    en: text(record(from)['en']),
    zh: text(record(from)['zh']),
  });
  const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
  return {
    lines,
    form: text(from['form']) || null,
    book: text(from['book']),
    rhyme: text(from['rhyme']) || null,
    pattern: from['pattern'] ? both(from['pattern']) : null,
    faults: list(from['faults']).map((fault) => ({ kind: 'shape', line: null, ...both(fault) })),
    remarks: list(from['remarks']).map(both),
    number: typeof from['number'] === 'number' ? from['number'] : 0,
    title: text(from['title']),
    unread: text(from['unread']),
    checked: from['checked'] === true,
    creation: text(from['creation']),
    sentence: text(from['sentence']),
  };
}

function lineFrom(from: Record<string, unknown>): Line {
  const wrong: unknown[] = Array.isArray(from['wrong']) ? from['wrong'] : [];
  return {
    text: text(from['text']),
    tones: text(from['tones']),
    wanted: text(from['wanted']),
    wrong: wrong.filter((place) => typeof place === 'number'),
    rhymes: from['rhymes'] === true,
  };
}

export const store = new Store('poem.', 200, writtenFrom);

/** The lines as they are printed: a couplet a row, with its punctuation. */
export function printed(lines: readonly string[]): string {
  const marked = lines.map((line, i) => line + stopAfter(i, lines.length));
  const rows = [];
  for (let i = 0; i < marked.length; i += 2) rows.push(marked.slice(i, i + 2).join(''));
  return rows.join('\n');
}

/** What stands behind line `i`. */
export function stopAfter(i: number, count: number): string {
  return i % 2 === 0 && i < count - 1 ? '，' : '。';
}
