import { expect, test } from 'vitest';
import { wishOf, type Where } from './presses';

const nowhere: Where = { field: false, prompt: false, pressable: false, empty: true, running: false };
const inPrompt = { ...nowhere, field: true, prompt: true };
const typing = { ...inPrompt, empty: false };
const onSlider = { ...nowhere, field: true };

test.each([
  ['Escape', { ...typing, running: true }, 'stop'],
  ['Escape', typing, 'leave'],
  ['Escape', nowhere, null],
  ['/', inPrompt, 'history'],
  ['/', typing, null],
  ['/', nowhere, 'history'],
  ['?', onSlider, null],
  ['？', inPrompt, 'keys'],
  ['ArrowLeft', nowhere, 'older'],
  ['ArrowRight', inPrompt, 'newer'],
  ['ArrowLeft', typing, null],
  ['ArrowLeft', onSlider, null],
  ['Enter', nowhere, 'prompt'],
  ['Enter', inPrompt, null],
  ['Enter', { ...nowhere, pressable: true }, null],
  ['a', nowhere, null],
] as const)('%s means %o: %s', (key, where, wish) => expect(wishOf(key, where)).toBe(wish));
