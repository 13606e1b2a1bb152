import { expect, test } from 'vitest';
import { base64 } from './photograph';

test('base64 of many bytes', () => {
  const bytes = Uint8Array.from({ length: 100_000 }, (_, i) => (i * 7) % 256);
  expect([...atob(base64(bytes))].map((letter) => letter.charCodeAt(0))).toEqual([...bytes]);
});
