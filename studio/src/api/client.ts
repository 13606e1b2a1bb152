import { language } from '../words/language.svelte';
import type { components } from './schema';
import { events } from './sse';

export type Schemas = components['schemas'];
export type Model = Schemas['CatalogueModel'];
export type ChatRequest = Schemas['ChatRequest'];
export type ChatChunk = Schemas['ChatCompletionChunk'];
export type DownloadEvent = Schemas['DownloadEvent'];
export type Status = Schemas['Status'];

/** What the API or the way to it refused, in words for the reader. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string | null = null,
  ) {
    super(message);
  }
}

export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, {
      ...init,
      headers: { 'Accept-Language': language.tag, ...init.headers },
    });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new ApiError(language.words.noServer, 'no_server');
  }
  if (!response.ok) throw refusal(await response.json().catch(() => null), response.status);
  return response;
}

export function post(path: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return call(path, {
    ...init,
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  });
}

/** What went wrong, as a reader is told it. */
export function told(error: unknown): string {
  return error instanceof ApiError ? error.message : String(error);
}

function refusal(body: unknown, status: number): ApiError {
  const error = (body as Partial<Schemas['ErrorAnswer']> | null)?.error;
  return new ApiError(error?.message || language.words.badAnswer(status), error?.code ?? null);
}

/** The JSON of each event up to `[DONE]` or the end; an error among them, or a lost connection, is thrown. */
export async function* streamed<T>(response: Response): AsyncGenerator<T, void> {
  if (!response.body) return;
  try {
    for await (const data of events(response.body)) {
      if (data === '[DONE]') return;
      const event = JSON.parse(data) as T;
      if (typeof event === 'object' && event !== null && 'error' in event)
        throw refusal(event, response.status);
      yield event;
    }
  } catch (error) {
    if (error instanceof ApiError || isAbort(error)) throw error;
    throw new ApiError(language.words.brokeOff, 'broke_off');
  }
}

export async function* chat(request: ChatRequest, signal: AbortSignal): AsyncGenerator<ChatChunk, void> {
  const response = await post('/v1/chat/completions', request, { signal });
  yield* streamed<ChatChunk>(response);
}

export async function models(): Promise<Model[]> {
  return (await call('/api/models')).json() as Promise<Model[]>;
}

export async function status(): Promise<Status> {
  return (await call('/api/status')).json() as Promise<Status>;
}

export async function card(id: string): Promise<string> {
  const path = `/api/models/${encodeURIComponent(id)}/card?language=${language.name}`;
  return (await call(path)).text();
}

/** Begins the download on the server, or joins the one under way. */
export async function* get(id: string): AsyncGenerator<DownloadEvent, void> {
  yield* streamed<DownloadEvent>(await call(`/api/models/${encodeURIComponent(id)}/get`, { method: 'POST' }));
}
