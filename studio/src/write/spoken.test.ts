import { expect, test } from 'vitest';
import { spokenUntil } from './spoken';

test.each([
  ['Half a sen', 0, 0],
  ['One. Two', 0, 5],
  ['One. Two', 5, 5],
  ['一句。两句', 0, 3],
  ['pi is 3.14 and', 0, 0],
  ['“Yes!” he', 0, 0],
  ['a\nb\nc', 0, 4],
])('%j from %i is spoken until %i', (text, from, until) => expect(spokenUntil(text, from)).toBe(until));
