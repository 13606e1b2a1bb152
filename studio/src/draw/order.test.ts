import { beforeEach, describe, expect, test, vi } from 'vitest';
import {
  columnsOf,
  givenOf,
  initialKnobs,
  KNOBS,
  orderFrom,
  RANGES,
  store,
  whatOf,
  type Drawn,
  type Order,
} from './order';

const order: Order = {
  model: 'm',
  prompt: 'a cat',
  style: 'flat',
  knobs: { count: 2, choice: 3, guidance: 2.5, temperature: 0.9, top_p: 0.8 },
  source: null,
};

const drawn: Drawn = {
  ...order,
  id: 'a',
  at: 5,
  seed: 7,
  book: 'b',
  state: 'done',
  codes: [
    [1, 2, 3, 4],
    [5, 6, 7, 8],
  ],
  scores: [0.3, 0.2],
  told: 'a cat, flat style',
  warnings: [{ en: 'careful', zh: '小心' }],
  seconds: 1.5,
};

beforeEach(() => {
  const items = new Map<string, string>();
  const storage = new Proxy(
    {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
      removeItem: (key: string) => void items.delete(key),
    },
    {
      ownKeys: () => [...items.keys()],
      getOwnPropertyDescriptor: () => ({ enumerable: true, configurable: true }),
    },
  );
  vi.stubGlobal('localStorage', storage);
});

describe('what is asked for', () => {
  test('has all that the order says', () => {
    expect(whatOf(order, 7, true)).toEqual({
      kind: 'draw',
      prompt: 'a cat',
      style: 'flat',
      count: 2,
      choice: 3,
      guidance: 2.5,
      temperature: 0.9,
      top_p: 0.8,
      seed: 7,
      given: null,
    });
  });

  test('has no candidates where nothing chooses among them', () => {
    expect(whatOf(order, 7, false)).toMatchObject({ choice: 1 });
  });

  test('keeps what is not marked of a picture', () => {
    const given = givenOf([1, 2, 3, 4], [false, true, true, false]);
    expect(given).toEqual([1, -1, -1, 4]);
    expect(whatOf({ ...order, source: { kind: 'complete', given } }, 7, true)).toMatchObject({
      kind: 'draw',
      given: [1, -1, -1, 4],
    });
  });

  test('varies a picture', () => {
    const source = { kind: 'vary' as const, codes: [1, 2], strength: 0.3 };
    expect(whatOf({ ...order, source }, 7, true)).toMatchObject({
      kind: 'vary',
      codes: [1, 2],
      strength: 0.3,
    });
  });
});

describe('results', () => {
  test('come back as they were', () => {
    store.keep(drawn);
    store.keep({ ...drawn, id: 'b', at: 6, source: { kind: 'complete', given: [1, -1] } });
    expect(store.all()).toEqual([
      { ...drawn, id: 'b', at: 6, source: { kind: 'complete', given: [1, -1] } },
      drawn,
    ]);
  });

  test('that a closed tab left unfinished are known as such', () => {
    store.keep({ ...drawn, state: 'running', codes: [], scores: null });
    expect(store.all()[0]?.state).toBe('running');
  });

  test('that are damaged are passed over, or as good as can be', () => {
    localStorage.setItem('luoxia.drawn.x', '{"seed":');
    localStorage.setItem('luoxia.drawn.y', '{"seed":-1,"at":1}');
    localStorage.setItem('luoxia.drawn.z', '{"seed":3,"at":1,"codes":[[1],"x",[1.5],[-1]],"scores":[1,2]}');
    const [found, ...others] = store.all();
    expect(others).toEqual([]);
    expect(found).toMatchObject({ id: 'z', codes: [[1]], scores: null, state: 'done' });
  });
});

test('an order out of storage stays in its ranges', () => {
  const wild = {
    knobs: { count: 99, guidance: -1, top_p: 'x' },
    style: 5,
    source: { kind: 'vary', codes: [-1] },
  };
  const found = orderFrom(wild);
  expect(found.knobs).toEqual({ ...initialKnobs(), count: RANGES.count.max, guidance: 0 });
  expect([found.style, found.source]).toEqual([null, null]);
  for (const knob of KNOBS) expect(Number.isFinite(found.knobs[knob])).toBe(true);
});

test.each([
  [1, 2, 1],
  [2, 2, 2],
  [4, 2, 4],
  [6, 2, 3],
  [9, 2, 5],
  [16, 2, 6],
  [1, 0.9, 1],
  [4, 0.9, 2],
  [9, 0.9, 3],
  [16, 0.9, 4],
])('%i pictures where it is %f as wide as tall stand in %i columns', (count, ratio, columns) =>
  expect(columnsOf(count, ratio)).toBe(columns),
);
