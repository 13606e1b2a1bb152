/**
 * Server-sent events out of a byte stream: the `data` of each event, in order.
 *
 * A network may cut anywhere, in the middle of a line, between CR and LF, or inside a character. What is left
 * without its closing blank line when the stream ends is dropped, as the standard says.
 */
export async function* events(bytes: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const reader = bytes.getReader();
  const decoder = new TextDecoder(); // removes a byte order mark, keeps half a character for the next chunk
  let rest = '';
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // A CR at the very end may be the first half of CRLF: it waits.
      const whole = !done && rest.endsWith('\r') ? rest.length - 1 : rest.length;
      const lines = rest.slice(0, whole).split(/\r\n|\n|\r/);
      rest = (lines.pop() ?? '') + rest.slice(whole);
      for (const line of lines) {
        if (line === '') {
          if (data.length > 0) yield data.join('\n');
          data = [];
        } else if (line === 'data' || line.startsWith('data:')) {
          data.push(line.slice(5).replace(/^ /, ''));
        }
      }
      if (done) return;
    }
  } finally {
    // Also runs when the consumer stops early: the server sees the connection close and stops too.
    await reader.cancel().catch(() => undefined);
  }
}
