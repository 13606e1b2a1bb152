/** What the head of every answer says. */
export interface Head {
  n: number;
  slot: string;
  type: string;
  sizes: number[];
}

/**
 * An answer of the server: four bytes with the length of its head, the head as JSON, and the pictures one after the
 * other. Throws for bytes that are not that.
 */
export function parted<H extends Head>(message: ArrayBuffer): { head: H; pictures: Blob[] } {
  const length = new DataView(message).getUint32(0);
  const head = JSON.parse(new TextDecoder().decode(new Uint8Array(message, 4, length))) as H;
  let at = 4 + length;
  const pictures = head.sizes.map((size) => {
    const start = at;
    at += size;
    if (at > message.byteLength) throw new RangeError('a picture is cut off');
    return new Blob([new Uint8Array(message, start, size)], { type: head.type });
  });
  return { head, pictures };
}
