/** A name for what comes of a file, which no model has yet. */
export function nameFrom(file: string, taken: readonly string[]): string {
  const plain = file
    .replace(/\.[^.]*$/, '')
    .normalize('NFKD')
    .replace(/[^A-Za-z0-9_.-]+/g, '-')
    .replace(/^[^A-Za-z0-9]+|-+$/g, '')
    .slice(0, 40);
  const name = plain || 'my-writer';
  for (let n = 1; ; n++) {
    const found = n === 1 ? name : `${name}-${n}`;
    if (!taken.includes(found)) return found;
  }
}
