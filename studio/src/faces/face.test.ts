import { describe, expect, test } from 'vitest';
import {
  copyOf,
  faceFrom,
  faceOf,
  isFaceSeed,
  LARGEST_SEED,
  layerGroups,
  sameFace,
  seedsAround,
  strengthOf,
  takesAlong,
  type Face,
} from './face';

const mixed: Face = {
  ...faceOf(3, 0.5, 'old'),
  edits: { smile: 1.5 },
  mix: { first: 0, last: 3, origin: { seed: 9, psi: 0.7, class: null, style: null } },
};

describe('a face', () => {
  test('is the same when nothing is moved, in whatever order it is moved', () => {
    expect(sameFace(faceOf(3), { ...faceOf(3), edits: { smile: 0 } })).toBe(true);
    expect(sameFace({ ...faceOf(3), edits: { a: 1, b: 2 } }, { ...faceOf(3), edits: { b: 2, a: 1 } })).toBe(
      true,
    );
    expect(sameFace(faceOf(3), { ...faceOf(3), edits: { smile: 0.1 } })).toBe(false);
    expect(sameFace(faceOf(3), faceOf(4))).toBe(false);
    expect(sameFace(faceOf(3, 0.5), faceOf(3, 0.6))).toBe(false);
    expect(sameFace(mixed, { ...mixed, mix: { ...mixed.mix!, last: 4 } })).toBe(false);
  });

  test('of a photograph has no seed to differ in', () => {
    const photo = { ...faceOf(1), style: 'x' };
    expect(sameFace(photo, { ...photo, seed: 2 })).toBe(true);
    expect(sameFace(photo, { ...photo, style: 'y' })).toBe(false);
  });

  test('that is copied does not change with its copy', () => {
    const copy = copyOf(mixed);
    copy.edits['smile'] = 9;
    copy.mix!.origin.seed = 1;
    expect([mixed.edits['smile'], mixed.mix!.origin.seed]).toEqual([1.5, 9]);
  });

  test('comes out of storage as it went in', () => {
    expect(faceFrom(JSON.parse(JSON.stringify(mixed)))).toEqual(mixed);
  });

  test.each([
    null,
    'x',
    {},
    { seed: -1, psi: 1 },
    { seed: 1.5, psi: 1 },
    { seed: LARGEST_SEED + 1, psi: 1 },
    { seed: 1, psi: 3 },
    { seed: 1, psi: '1' },
    { seed: 1, psi: 1, style: 'of a session that is over' },
  ])('is not taken from %o', (value) => expect(faceFrom(value)).toBeNull());

  test('loses only what is damaged', () => {
    const damaged = {
      ...faceOf(1),
      edits: { a: 'x', b: 99, c: 2 },
      mix: { first: 3, last: 1, origin: faceOf(2) },
    };
    expect(faceFrom(damaged)).toEqual({ ...faceOf(1), edits: { c: 2 } });
  });
});

test('neighbours go on at the other end of the range', () => {
  expect(seedsAround(10, 2)).toEqual([8, 9, 10, 11, 12]);
  expect(seedsAround(0, 1)).toEqual([LARGEST_SEED, 0, 1]);
  expect(seedsAround(LARGEST_SEED, 1)).toEqual([LARGEST_SEED - 1, LARGEST_SEED, 0]);
  expect(seedsAround(0, 4).every(isFaceSeed)).toBe(true);
});

test('layers are grouped by what they are about, as far as a model has them', () => {
  expect(layerGroups(10).map(({ first, last }) => [first, last])).toEqual([
    [0, 3],
    [4, 7],
    [8, 9],
  ]);
  expect(layerGroups(6).map(({ name, last }) => [name, last])).toEqual([
    ['coarse', 3],
    ['middle', 5],
  ]);
  expect(layerGroups(2)).toEqual([{ name: 'coarse', first: 0, last: 1 }]);
});

test('strength is told in words where it was measured', () => {
  const direction = (own: number | null, others: number | null) => ({
    name: 'x',
    how: 'attribute' as const,
    own,
    others,
  });
  expect([1.1, 0.7, 0.2].map((own) => strengthOf(direction(own, 0)))).toEqual(['strong', 'clear', 'faint']);
  expect(strengthOf(direction(null, null))).toBeNull();
  expect([0.3, 0.1, null].map((others) => takesAlong(direction(1, others)))).toEqual([true, false, false]);
});
