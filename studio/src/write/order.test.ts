import { describe, expect, test } from 'vitest';
import { within } from '../parts/knobs';
import { isSeed, LARGEST_SEED, rollSeed } from '../parts/seeds';
import { en } from '../words/en';
import { choicesOf, initialSampling, orderFrom, RANGES, requestOf, shapeProblem, type Order } from './order';

const order: Order = {
  model: 'm',
  prompt: 'p',
  system: '',
  examples: [],
  sampling: initialSampling(),
  shape: { kind: 'none', text: '' },
};

describe('requestOf', () => {
  test('puts system text and whole examples before the prompt', () => {
    const full = {
      ...order,
      system: 's',
      examples: [
        { user: 'u', assistant: 'a' },
        { user: 'half', assistant: ' ' },
      ],
    };
    expect(requestOf(full, 1).messages.map(({ role, content }) => [role, content])).toEqual([
      ['system', 's'],
      ['user', 'u'],
      ['assistant', 'a'],
      ['user', 'p'],
    ]);
    expect(requestOf(order, 1).messages).toHaveLength(1);
  });

  test('carries seed and knobs under the names of the API', () => {
    expect(requestOf(order, 7)).toMatchObject({ seed: 7, stream: true, model: 'm', ...initialSampling() });
  });

  test('asks for one shape at most', () => {
    const shaped = (kind: Order['shape']['kind'], text: string) =>
      requestOf({ ...order, shape: { kind, text } }, 1);
    expect(shaped('choices', ' a \n\nb\na')).toMatchObject({ guided_choice: ['a', 'b'] });
    expect(shaped('regex', '\\d+')).toMatchObject({ guided_regex: '\\d+' });
    expect(shaped('json', '{"type":"object"}').response_format).toEqual({
      type: 'json_schema',
      json_schema: { name: 'answer', schema: { type: 'object' } },
    });
    const plain = requestOf(order, 1);
    expect(plain.response_format ?? plain.guided_regex ?? plain.guided_choice).toBeUndefined();
  });
});

describe('shapeProblem', () => {
  test.each([
    ['none', '', null],
    ['json', '{"type":"object"}', null],
    ['json', '[1]', en.shapeProblem.jsonObject],
    ['json', 'null', en.shapeProblem.jsonObject],
    ['regex', '', en.shapeProblem.regex],
    ['regex', '[', null], // the server's dialect is not JavaScript's: it decides
    ['choices', ' \n ', en.shapeProblem.choices],
    ['choices', 'a', null],
  ] as const)('%s %j', (kind, text, problem) => {
    expect(shapeProblem({ kind, text }, en)).toBe(problem);
  });

  test('quotes why JSON could not be read', () => {
    expect(shapeProblem({ kind: 'json', text: '{' }, en)).toMatch(/^The schema is not valid JSON: ./);
  });
});

test('choices are trimmed and unique', () => {
  expect(choicesOf('红\r\n 绿 \n红')).toEqual(['红', '绿']);
});

describe('orderFrom', () => {
  test('gives back what was stored', () => {
    const stored: Order = {
      ...order,
      examples: [{ user: 'u', assistant: 'a' }],
      shape: { kind: 'regex', text: 'x' },
    };
    expect(orderFrom(JSON.parse(JSON.stringify(stored)))).toEqual(stored);
  });

  test.each([null, 5, 'x', [], { sampling: 'x', examples: {}, shape: { kind: 'evil', text: 5 } }])(
    'makes an order out of %j',
    (value) => {
      expect(orderFrom(value)).toEqual({ ...order, model: '', prompt: '' });
    },
  );

  test('brings knobs back into their range', () => {
    const { sampling } = orderFrom({ sampling: { temperature: 99, top_p: -1, top_k: 'many', min_p: NaN } });
    expect(sampling).toMatchObject({ temperature: 2, top_p: 0.05, top_k: 0, min_p: 0 });
  });
});

test('a value is moved to the nearest end of its range', () => {
  expect(within(RANGES.temperature, -1)).toBe(0);
  expect(within(RANGES.temperature, 0.7)).toBe(0.7);
  expect(within(RANGES.temperature, '1')).toBe(RANGES.temperature.initial);
});

test('rolled seeds are seeds and differ', () => {
  const seeds = Array.from({ length: 50 }, rollSeed);
  expect(seeds.every(isSeed)).toBe(true);
  expect(new Set(seeds).size).toBeGreaterThan(45);
  for (const wrong of [-1, 1.5, LARGEST_SEED + 1, '7', null, NaN]) expect(isSeed(wrong)).toBe(false);
});
