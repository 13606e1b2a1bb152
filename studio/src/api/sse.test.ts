import { describe, expect, test } from 'vitest';
import { events } from './sse';

function stream(chunks: Uint8Array[], cancelled?: () => void): ReadableStream<Uint8Array> {
  return new ReadableStream({
    pull(controller) {
      const chunk = chunks.shift();
      if (chunk) controller.enqueue(chunk);
      else controller.close();
    },
    cancel() {
      cancelled?.();
    },
  });
}

const bytes = (text: string) => new TextEncoder().encode(text);

async function read(chunks: Uint8Array[]): Promise<string[]> {
  const seen: string[] = [];
  for await (const data of events(stream(chunks))) seen.push(data);
  return seen;
}

const text = 'data: {"a":"落霞"}\n\ndata: {"b":"🦆"}\r\n\r\n: keep-alive\n\ndata: [DONE]\n\n';
const expected = ['{"a":"落霞"}', '{"b":"🦆"}', '[DONE]'];

describe('events', () => {
  test('comes out whole whatever single place the bytes are cut at', async () => {
    const all = bytes(text);
    for (let cut = 0; cut <= all.length; cut++) {
      expect(await read([all.slice(0, cut), all.slice(cut)]), `cut at ${cut}`).toEqual(expected);
    }
  });

  test('comes out whole one byte at a time', async () => {
    expect(await read([...bytes(text)].map((byte) => Uint8Array.of(byte)))).toEqual(expected);
  });

  test('joins several data lines and leaves other fields alone', async () => {
    expect(await read([bytes('event: x\nid: 1\ndata: one\ndata:two\ndata\nretry: 5\n\n')])).toEqual([
      'one\ntwo\n',
    ]);
  });

  test('takes lone carriage returns and a byte order mark', async () => {
    expect(await read([bytes('\ufeffdata: a\r\rdata: b\r\r')])).toEqual(['a', 'b']);
  });

  test('drops an event that never ended', async () => {
    expect(await read([bytes('data: a\n\ndata: half')])).toEqual(['a']);
  });

  test('cancels the connection when its reader stops early', async () => {
    let cancelled = false;
    const source = stream([bytes('data: a\n\n'), bytes('data: b\n\n')], () => (cancelled = true));
    for await (const data of events(source)) {
      expect(data).toBe('a');
      break;
    }
    expect(cancelled).toBe(true);
  });
});
