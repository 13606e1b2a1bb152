import { isSeed } from '../parts/seeds';
import { orderFrom, record, text, type Order } from '../write/order';
import { Store, type Item } from './store';

export type Finish = 'stop' | 'length' | 'cancelled' | 'interrupted';

/** An answer and everything that made it. */
export interface Result extends Order, Item {
  seed: number;
  text: string;
  finish: Finish | null; // null while it is being written
  tokens: number | null;
  firstTokenSeconds: number | null;
  tokensPerSecond: number | null;
  sentence: string; // that says what the text is, '' where the policy asks for none
}

export const results = new Store('result.', 500, resultFrom);

function resultFrom(id: string, value: unknown): Result | null {
  const from = record(value);
  if (!isSeed(from['seed']) || typeof from['at'] !== 'number' || typeof from['text'] !== 'string')
    return null;
  const finish = (['stop', 'length', 'cancelled'] as const).find((name) => name === from['finish']);
  return {
    ...orderFrom(value),
    id,
    at: from['at'],
    seed: from['seed'],
    text: text(from['text']),
    finish: finish ?? 'interrupted', // the tab closed while it was being written
    tokens: amount(from['tokens']),
    firstTokenSeconds: amount(from['firstTokenSeconds']),
    tokensPerSecond: amount(from['tokensPerSecond']),
    sentence: text(from['sentence']),
  };
}

function amount(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** What a search looks through. */
export function searched({ prompt, text, system, model, seed }: Result): string {
  return `${prompt}\n${text}\n${system}\n${model}\n${seed}`;
}
