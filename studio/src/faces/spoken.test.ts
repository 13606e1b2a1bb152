import { expect, test } from 'vitest';
import { en } from '../words/en';
import { zh } from '../words/zh';
import { faceOf, type Face, type FaceModel } from './face';
import { directionName, labelRows, made } from './spoken';

const face: Face = {
  ...faceOf(3),
  edits: { smile: 1.5, 'sefa-2': -2, hair: 0 },
  mix: { first: 0, last: 3, origin: { seed: 9, psi: 0.7, class: null, style: null } },
};
const model: FaceModel = {
  id: 'm',
  title: 'M',
  summary: null,
  publisher: null,
  licence: 'MIT',
  size: 64,
  layers: 10,
  classes: [],
  directions: null,
};

test('directions have names in both languages, and unknown ones keep their own', () => {
  expect(['smile', 'sefa-2', 'pca-10', 'whiskers'].map((name) => directionName(name, en))).toEqual([
    'Smile',
    'Factor 2',
    'Component 10',
    'whiskers',
  ]);
  expect(directionName('sefa-2', zh)).toBe('因子 2');
});

test('a face is told by what makes it', () => {
  expect(made(face, en)).toBe('seed 3, mixed with seed 9, changed by Smile, Factor 2');
  expect(made(face, zh)).toBe('种子 3，与种子 9 混合，改变了微笑、因子 2');
  expect(made({ ...faceOf(3), style: 'x' }, en)).toBe('found for a photograph');
});

test('its label says how to make it again', () => {
  const rows = Object.fromEntries(labelRows(face, model, en).map(({ name, value }) => [name, value]));
  expect(rows).toMatchObject({
    'Made by': 'M · MIT',
    Seed: '3',
    Truncation: '0.7',
    Change: 'Smile +1.5 · Factor 2 −2',
    Mix: 'mixed with seed 9 · Layers 0 to 3',
  });
  expect(labelRows({ ...faceOf(3), style: 'x' }, model, en).map(({ name }) => name)).not.toContain('Seed');
});
