import type { Schemas } from '../api/client';
import { Live } from '../api/live.svelte';

type Ask = Schemas['LiveAsk'];
export type What = Ask['what'];

export const live = new Live<Ask, Schemas['LiveHead']>('/api/faces/live');
