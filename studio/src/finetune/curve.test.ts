import { describe, expect, test } from 'vitest';
import { frameOf, pathOf, ticksOf, xOf, yOf } from './curve';
import { nameFrom } from './naming';

const loss = [
  { step: 1, loss: 3 },
  { step: 10, loss: 1 },
];

describe('a chart', () => {
  test('has the largest loss above the smallest, and the steps to come on the right', () => {
    const frame = frameOf([loss, [{ step: 5, loss: 2 }]], 20, 200, 100);
    expect(xOf(frame, 20)).toBe(200);
    expect(yOf(frame, 3)).toBeGreaterThan(0);
    expect(yOf(frame, 3)).toBeLessThan(yOf(frame, 1));
    expect(yOf(frame, 1)).toBeLessThan(100);
    expect(pathOf(frame, loss)).toBe('10.0,5.4 100.0,94.6');
  });

  test('holds a single point, and equal ones', () => {
    const frame = frameOf([[{ step: 1, loss: 2 }]], 0, 200, 100);
    expect(pathOf(frame, [{ step: 1, loss: 2 }])).toBe('200.0,50.0');
  });

  test('has lines at round values', () => {
    expect(ticksOf(0.93, 3.07)).toEqual([1, 2, 3]);
    expect(ticksOf(0.41, 0.52)).toEqual([0.45, 0.5]);
    expect(ticksOf(2, 2)).toEqual([2]);
  });
});

test('a name comes from the file, and is not taken yet', () => {
  expect(nameFrom('My pairs (2).jsonl', [])).toBe('My-pairs-2');
  expect(nameFrom('样例.csv', ['my-writer'])).toBe('my-writer-2');
  expect(nameFrom('../../x.jsonl', [])).toBe('x');
});
