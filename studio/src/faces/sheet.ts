import { call, type Schemas } from '../api/client';

/** Has the server draw a sheet and saves it under that name. */
export async function saveSheet(ask: Schemas['SheetAsk'], name: string): Promise<void> {
  save(await fetchSheet(ask), name);
}

export async function fetchSheet(ask: Schemas['SheetAsk']): Promise<Blob> {
  const response = await call('/api/faces/sheet', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(ask),
  });
  return response.blob();
}

function save(blob: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
