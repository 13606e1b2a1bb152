/** A photograph as the server takes it: base64 of its file, or of a smaller JPEG where the file is too large. */

const LARGEST = 5_500_000; // bytes, a little below the server's limit
const SIDE = 2048; // pixels, more than a face needs

export async function encoded(file: Blob): Promise<string> {
  const sent = file.size > LARGEST ? await smaller(file) : file;
  return base64(new Uint8Array(await sent.arrayBuffer()));
}

export function base64(bytes: Uint8Array): string {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000)
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
}

async function smaller(file: Blob): Promise<Blob> {
  const picture = await createImageBitmap(file); // throws where the browser cannot read it
  const scale = Math.min(1, SIDE / Math.max(picture.width, picture.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve, reject) =>
    canvas.toBlob((made) => (made ? resolve(made) : reject(new Error('no room'))), 'image/jpeg', 0.92),
  );
}
