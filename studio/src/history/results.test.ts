import { beforeEach, describe, expect, test, vi } from 'vitest';
import { initialSampling } from '../write/order';
import { results, searched, type Result } from './results';
import { matching } from './store';

/** What a browser's storage does, with a limit to run into. */
class Storage {
  [key: string]: unknown;
  constructor(room: number) {
    Object.defineProperties(this, {
      getItem: { value: (key: string) => this[key] ?? null },
      removeItem: { value: (key: string) => void delete this[key] },
      setItem: {
        value: (key: string, value: string) => {
          const others = Object.entries(this).filter(([name]) => name !== key);
          const used = others.reduce((sum, [, text]) => sum + String(text).length, 0);
          if (used + value.length > room) throw new Error('QuotaExceededError');
          this[key] = value;
        },
      },
    });
  }
}

function result(id: string, at: number, more: Partial<Result> = {}): Result {
  return {
    id,
    at,
    model: 'm',
    prompt: 'p',
    system: '',
    examples: [],
    sampling: initialSampling(),
    shape: { kind: 'none', text: '' },
    seed: 3,
    text: 't',
    finish: 'stop',
    tokens: 5,
    firstTokenSeconds: 0.1,
    tokensPerSecond: 100,
    sentence: '',
    ...more,
  };
}

beforeEach(() => vi.stubGlobal('localStorage', new Storage(1e7)));

describe('results', () => {
  test('come back as they were, the newest first', () => {
    const first = result('a', 1);
    const second = result('b', 2, { shape: { kind: 'choices', text: 'x\ny' } });
    expect(results.keep(first) && results.keep(second)).toBe(true);
    expect(results.all()).toEqual([second, first]);
    results.forget('b');
    expect(results.all()).toEqual([first]);
  });

  test('written only in part come back as interrupted', () => {
    results.keep(result('a', 1, { finish: null }));
    expect(results.all()[0]?.finish).toBe('interrupted');
  });

  test('that are damaged are passed over', () => {
    localStorage.setItem('luoxia.result.x', '{"seed":');
    localStorage.setItem('luoxia.result.y', '{"seed":-1,"at":1,"text":"t"}');
    results.keep(result('a', 1));
    expect(results.all().map(({ id }) => id)).toEqual(['a']);
  });

  test('are bounded in number', () => {
    for (let n = 0; n < 505; n++) results.keep(result(`r${n}`, n));
    expect(results.all()).toHaveLength(500);
    expect(results.all().at(-1)?.at).toBe(5);
    expect(Object.keys(localStorage)).toHaveLength(500);
  });

  test('make room by dropping the oldest', () => {
    vi.stubGlobal('localStorage', new Storage(5000));
    for (let n = 0; n < 40; n++) expect(results.keep(result(`r${n}`, n))).toBe(true);
    expect(results.all()[0]?.id).toBe('r39');
  });

  test('live without storage', () => {
    vi.stubGlobal('localStorage', undefined);
    expect(results.keep(result('a', 1))).toBe(false);
    expect(results.all()).toEqual([]);
  });
});

test('a search needs every word, anywhere', () => {
  const made = [result('a', 2, { prompt: 'Autumn Water' }), result('b', 1, { text: '秋水' })];
  expect(matching(made, 'water AUTUMN', searched).map(({ id }) => id)).toEqual(['a']);
  expect(matching(made, '秋水', searched).map(({ id }) => id)).toEqual(['b']);
  expect(matching(made, ' ', searched)).toHaveLength(2);
});
