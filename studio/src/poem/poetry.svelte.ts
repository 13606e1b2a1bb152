import { isAbort, post, streamed, told } from '../api/client';
import { Past } from '../history/past.svelte';
import { Walk } from '../history/walk.svelte';
import { secondsLeft } from '../parts/pace';
import { EXAMPLE_THEME } from './content';
import { askOf, initialOrder, store, type Event, type Order, type PoemModel, type Written } from './order';

export const EXAMPLE_ID = 'example';
const EXAMPLE_SEED = 1;

/** Drafts of the poems under way, from number `first` on, and how far they have come. */
export interface Drafts {
  id: string;
  first: number;
  lines: string[][];
  done: number;
  total: number;
  secondsLeft: number | null;
}

/** The poems being written, and which result is shown. Writing goes on while another page is looked at. */
class Poetry extends Walk<Written> {
  kept = new Past(store, ({ state }) => state === 'running');
  failure: string | null = $state(null);
  model: PoemModel | undefined = $state.raw();
  drafts: Drafts | null = $state.raw(null);

  #example: Written | null = $state(null);
  #abort: AbortController | null = null;
  #showing: AbortController | null = null; // of the example

  constructor() {
    super();
    this.shownId = this.kept.results[0]?.id ?? EXAMPLE_ID;
  }

  protected get past(): Written[] {
    return this.kept.results;
  }

  /** Written when it is first looked at, of always the same theme and seed. */
  protected get example(): Written {
    return this.#example ?? emptyOf(exampleOrder(this.model?.id ?? ''), EXAMPLE_ID, EXAMPLE_SEED, 0);
  }

  stop(): void {
    this.#abort?.abort();
  }

  make(order: Order, seed: number): void {
    if (this.running) return;
    const id = `${Date.now().toString(36)}-${seed.toString(36)}`;
    void this.#begin(emptyOf(order, id, seed, Date.now()));
  }

  /** Once more, from where it was left: the same seed writes the same. */
  redo(result: Written): void {
    if (!this.running) void this.#begin({ ...$state.snapshot(result), state: 'running', poems: [] });
  }

  /** What a tab that was closed left unfinished is written now. */
  resume(): void {
    const left = this.kept.results.find(
      ({ state, model }) => state === 'running' && model === this.model?.id,
    );
    if (left) this.redo(left);
  }

  /** The example, where it is looked at and not there yet. */
  look(): void {
    if (!this.model || this.shown.id !== EXAMPLE_ID || this.running || this.#showing) return;
    if (this.#example?.model === this.model.id && this.#example.state === 'done') return;
    void this.#show(this.model);
  }

  async #show(model: PoemModel): Promise<void> {
    const abort = (this.#showing = new AbortController());
    this.#example = emptyOf(exampleOrder(model.id), EXAMPLE_ID, EXAMPLE_SEED, 0);
    try {
      await this.#follow(this.#example, abort.signal);
      this.#example.state = 'done';
    } catch (error) {
      this.#example = null;
      if (!isAbort(error)) this.failure = told(error);
    }
    this.#showing = null;
  }

  async #begin(result: Written): Promise<void> {
    this.#showing?.abort(); // who asks for something has seen enough of it
    const before = this.shownId;
    const abort = (this.#abort = new AbortController());
    this.failure = null;
    this.running = result;
    const mine = this.running; // the reactive one
    this.shownId = result.id;
    this.kept.put($state.snapshot(mine));
    try {
      await this.#follow(mine, abort.signal);
      mine.state = 'done';
    } catch (error) {
      mine.state = 'stopped';
      if (!isAbort(error)) this.failure = told(error);
    }
    this.running = null;
    if (mine.state === 'stopped' && this.failure && mine.poems.length === 0) {
      this.kept.remove(mine.id);
      this.shownId = this.kept.results.some(({ id }) => id === before) ? before : EXAMPLE_ID;
    } else this.kept.put($state.snapshot(mine));
  }

  async #follow(result: Written, signal: AbortSignal): Promise<void> {
    const began = performance.now();
    const { id } = result;
    this.drafts = { id, first: 0, lines: [], done: 0, total: 0, secondsLeft: null };
    try {
      const response = await post('/api/poem/write', askOf($state.snapshot(result), result.seed), { signal });
      for await (const event of streamed<Event>(response)) this.#hear(result, event, began);
      result.seconds = (performance.now() - began) / 1000;
    } finally {
      if (this.drafts?.id === id) this.drafts = null;
    }
  }

  #hear(result: Written, { kind, poem, first, drafts, done, total }: Event, began: number): void {
    if (kind === 'poem' && poem) result.poems.push(poem);
    if (kind !== 'drafts') return;
    const left = secondsLeft(began, done, total);
    this.drafts = { id: result.id, first: first ?? 0, lines: drafts ?? [], done, total, secondsLeft: left };
  }
}

function exampleOrder(model: string): Order {
  return { ...initialOrder(model), theme: EXAMPLE_THEME };
}

function emptyOf(order: Order, id: string, seed: number, at: number): Written {
  return { ...order, id, seed, at, state: 'running', poems: [], seconds: null };
}

export const poetry = new Poetry();
