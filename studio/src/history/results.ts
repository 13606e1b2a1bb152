import { isSeed } from '../parts/seeds';
import { forget, keep, kept, keptNames } from '../shell/kept';
import { orderFrom, record, text, type Order } from '../write/order';

export type Finish = 'stop' | 'length' | 'cancelled' | 'interrupted';

/** An answer and everything that made it. */
export interface Result extends Order {
  id: string;
  at: number; // when it was asked for, in milliseconds since 1970
  seed: number;
  text: string;
  finish: Finish | null; // null while it is being written
  tokens: number | null;
  firstTokenSeconds: number | null;
  tokensPerSecond: number | null;
}

const START = 'result.';
const MOST = 500;

/** One stored item per result, so that two tabs never overwrite each other's. */
export function keepResult(result: Result): boolean {
  const { id, ...content } = result;
  if (keep(START + id, content)) return true;
  // No room: the older half goes, which is kinder than losing what is being made.
  const others = allResults().filter((other) => other.id !== id);
  for (const old of others.slice(Math.ceil(others.length / 2))) forgetResult(old.id);
  return keep(START + id, content);
}

export function forgetResult(id: string): void {
  forget(START + id);
}

/** The newest first. Beyond the most that are kept, the oldest are removed. */
export function allResults(): Result[] {
  const results = keptNames(START).flatMap((name) => resultFrom(name.slice(START.length), kept(name)) ?? []);
  results.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
  for (const old of results.splice(MOST)) forgetResult(old.id);
  return results;
}

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
  };
}

function amount(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : null;
}

/** Results whose prompt, answer or system text holds every word of the query, whatever the case. */
export function matching(results: Result[], query: string): Result[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return results.filter((result) => {
    const all =
      `${result.prompt}\n${result.text}\n${result.system}\n${result.model}\n${result.seed}`.toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
