import { call, post, streamed, told, type Schemas } from '../api/client';

export type JobEvent = Schemas['JobEvent'];

const JUDGE_AFTER = 1; // seconds

/** Long work on the server, begun or joined by this page. Leaving the page does not stop it. */
export class Job {
  event: JobEvent | null = $state.raw(null);
  secondsLeft: number | null = $state(null);
  failure: string | null = $state(null);
  id: string | null = $state(null);

  #key: string;

  /** Under `key` this tab remembers what is under way, so that a reload joins it. */
  constructor(key: string) {
    this.#key = `luoxia.faces.${key}`;
  }

  get running(): boolean {
    return this.id !== null;
  }

  /** The event that ended it well; null when it failed or was given up. */
  async start(path: string, body: unknown): Promise<JobEvent | null> {
    this.failure = null;
    this.event = null;
    try {
      const response = await post(`/api/faces/${path}`, body);
      return await this.#follow(((await response.json()) as Schemas['JobStarted']).id);
    } catch (error) {
      this.failure = told(error);
      return null;
    }
  }

  /** What a reload of this tab left behind, if it is still known. */
  async resume(): Promise<JobEvent | null> {
    const id = remembered(this.#key);
    if (!id || this.running) return null;
    try {
      return await this.#follow(id);
    } catch {
      return null; // it is gone, and nobody here asked for it just now
    }
  }

  async cancel(): Promise<void> {
    if (this.id) await call(`/api/faces/jobs/${this.id}`, { method: 'DELETE' }).catch(() => undefined);
  }

  async #follow(id: string): Promise<JobEvent | null> {
    this.id = id;
    remember(this.#key, id);
    const began = performance.now();
    let first: number | null = null;
    let last: JobEvent | null = null;
    try {
      for await (const event of streamed<JobEvent>(await call(`/api/faces/jobs/${id}`))) {
        last = this.event = event;
        if (event.state !== 'working') continue;
        first ??= event.done;
        const seconds = (performance.now() - began) / 1000;
        const speed = (event.done - first) / seconds;
        this.secondsLeft = seconds > JUDGE_AFTER && speed > 0 ? (event.total - event.done) / speed : null;
      }
    } finally {
      this.id = null;
      this.secondsLeft = null;
      remember(this.#key, null);
    }
    if (last?.state === 'failed') this.failure = last.message;
    return last?.state === 'done' ? last : null;
  }
}

function remembered(key: string): string | null {
  try {
    return sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, id: string | null): void {
  try {
    if (id) sessionStorage.setItem(key, id);
    else sessionStorage.removeItem(key);
  } catch {
    // Without storage, a reload does not find the work again; the work itself goes on.
  }
}
