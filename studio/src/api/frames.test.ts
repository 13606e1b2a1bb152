import { expect, test } from 'vitest';
import { parted } from './frames';

function message(head: object, ...pictures: number[][]): ArrayBuffer {
  const text = new TextEncoder().encode(JSON.stringify(head));
  const bytes = new Uint8Array(4 + text.length + pictures.flat().length);
  new DataView(bytes.buffer).setUint32(0, text.length);
  bytes.set(text, 4);
  bytes.set(pictures.flat(), 4 + text.length);
  return bytes.buffer;
}

const head = { n: 7, slot: 'grid', type: 'image/webp', sizes: [2, 0, 3], seconds: 0.01 };

test('the pictures of an answer are cut where its head says', async () => {
  const found = parted(message(head, [1, 2], [], [3, 4, 5]));
  expect(found.head).toEqual(head);
  expect(found.pictures.map(({ type }) => type)).toEqual(Array(3).fill('image/webp'));
  const bytes = await Promise.all(
    found.pictures.map(async (blob) => [...new Uint8Array(await blob.arrayBuffer())]),
  );
  expect(bytes).toEqual([[1, 2], [], [3, 4, 5]]);
});

test('an answer that is cut off is none', () => {
  expect(() => parted(message(head, [1, 2], [], [3, 4]))).toThrow('cut off');
  expect(() => parted(new ArrayBuffer(2))).toThrow();
  expect(() => parted(message(head).slice(0, 20))).toThrow();
});
