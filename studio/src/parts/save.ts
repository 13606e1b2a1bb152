/** A name for a file that says what is in it, without what a file system may not like; `otherwise` where nothing is left. */
export function fileName(text: string, most: number, otherwise: string, ending: string): string {
  const plain = text
    .normalize('NFKC')
    .replace(/[^\p{Letter}\p{Number}]+/gu, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, most);
  return `${plain || otherwise}.${ending}`;
}

/** Has the browser save a file under that name. */
export function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
