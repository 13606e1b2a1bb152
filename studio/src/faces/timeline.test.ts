import { expect, test } from 'vitest';
import { framesAt, later, moved, previewFrames } from './timeline';

test('a loop fades from its last frame into its first', () => {
  expect(framesAt(0, 10, true)).toEqual({ below: 0, above: 1, share: 0 });
  expect(framesAt(0.95, 10, true)).toMatchObject({ below: 9, above: 0 });
  expect(framesAt(0.95, 10, true).share).toBeCloseTo(0.5);
  expect(framesAt(1, 10, true)).toMatchObject({ below: 0, share: 0 });
});

test('what is no loop ends with its last frame', () => {
  expect(framesAt(1, 10, false)).toMatchObject({ below: 9, above: 9 });
  expect(framesAt(0.5, 3, false)).toEqual({ below: 1, above: 2, share: 0 });
  expect(framesAt(7, 10, false)).toMatchObject({ below: 9 });
  expect(framesAt(-1, 10, false)).toMatchObject({ below: 0, share: 0 });
  expect(framesAt(0.5, 1, false)).toMatchObject({ below: 0, above: 0 });
});

test('time goes on by the length of the film', () => {
  expect(later(0.5, 3, 6, true)).toBeCloseTo(0);
  expect(later(0.5, 1.5, 6, true)).toBeCloseTo(0.75);
  expect(later(0.9, 3, 6, false)).toBe(1);
});

test('a preview has no more frames than one request may ask for, and not too few', () => {
  expect([0.5, 4, 6, 30].map(previewFrames)).toEqual([24, 60, 90, 120]);
});

test('one element moves, the others keep their order', () => {
  expect(moved(['a', 'b', 'c', 'd'], 0, 2)).toEqual(['b', 'c', 'a', 'd']);
  expect(moved(['a', 'b', 'c', 'd'], 3, 1)).toEqual(['a', 'd', 'b', 'c']);
  expect(moved(['a', 'b'], 1, 2)).toEqual(['a', 'b']);
  expect(moved(['a', 'b'], 0, -1)).toEqual(['a', 'b']);
});
