import { post, type Schemas } from '../api/client';
import { save } from '../parts/save';

/** Has the server draw a sheet and saves it under that name. */
export async function saveSheet(ask: Schemas['SheetAsk'], name: string): Promise<void> {
  save(await fetchSheet(ask), name);
}

export async function fetchSheet(ask: Schemas['SheetAsk']): Promise<Blob> {
  return (await post('/api/faces/sheet', ask)).blob();
}
