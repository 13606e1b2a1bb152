import { SvelteMap } from 'svelte/reactivity';
import type { Schemas } from '../api/client';
import { Live } from '../api/live.svelte';
import { Past } from '../history/past.svelte';
import { Walk } from '../history/walk.svelte';
import { secondsLeft } from '../parts/pace';
import { language } from '../words/language.svelte';
import { store, initialKnobs, whatOf, type DrawModel, type Drawn, type Head, type Order } from './order';

export const live = new Live<Schemas['DrawAsk'], Head>('/api/draw/live', ({ done, total }) => done === total);

export const EXAMPLE_ID = 'example';
const EXAMPLE_SEED = 1;
const IN_MEMORY = 40; // results whose pictures are kept, which can be had again of their codes

/** The pictures being drawn, and which result is shown. Drawing goes on while another page is looked at. */
class DrawingDesk extends Walk<Drawn> {
  kept = new Past(store, ({ state }) => state === 'running');
  failure: string | null = $state(null);
  model: DrawModel | undefined = $state.raw();
  pictures = new SvelteMap<string, Blob[]>(); // by the result's id
  progress: { done: number; total: number; secondsLeft: number | null } = $state({
    done: 0,
    total: 0,
    secondsLeft: null,
  });
  n = $state(0); // counts pictures that came

  #example: Drawn | null = $state.raw(null);
  #looking: string | null = null; // whose pictures were asked for

  constructor() {
    super();
    this.shownId = this.kept.results[0]?.id ?? EXAMPLE_ID;
  }

  protected get past(): Drawn[] {
    return this.kept.results;
  }

  /** Made when it is first looked at, of a prompt in the reader's language and always the same seed. */
  protected get example(): Drawn {
    return this.#example ?? emptyOf(exampleOrder(this.model?.id ?? ''), EXAMPLE_ID, EXAMPLE_SEED, 0, '');
  }

  stop(): void {
    const { running } = this;
    if (!running) return;
    live.stop('work');
    this.#end({ ...$state.snapshot(running), state: 'stopped' });
  }

  make(order: Order, seed: number): void {
    if (this.running || !this.model) return;
    const id = `${Date.now().toString(36)}-${seed.toString(36)}`;
    this.#begin(emptyOf(order, id, seed, Date.now(), this.model.book));
  }

  /** Once more, from where it was left: the same seed makes the same pictures. */
  redo(result: Drawn): void {
    if (this.running || !this.model) return;
    this.#begin({ ...$state.snapshot(result), state: 'running', book: this.model.book });
  }

  /** Whether this model can show what a result holds. */
  knows(result: Drawn): boolean {
    return result.codes.length > 0 && result.book === this.model?.book && result.model === this.model.id;
  }

  /** Pictures of the shown result, which are asked for where they are not in memory. */
  look(): void {
    const { shown, model } = this;
    if (!model || this.running?.id === shown.id || this.pictures.has(shown.id) || this.#looking === shown.id)
      return;
    this.#looking = shown.id;
    if (shown.id === EXAMPLE_ID) this.#drawExample(model);
    else if (this.knows(shown))
      live.ask(
        'shown',
        model.id,
        { kind: 'show', pictures: $state.snapshot(shown.codes), large: true },
        (pictures) => this.#put(shown.id, pictures),
        (message) => (this.failure = message),
      );
  }

  /** What a tab that was closed left unfinished is made now; what other models drew stays as it is. */
  resume(): void {
    const left = this.kept.results.find(
      ({ state, model }) => state === 'running' && model === this.model?.id,
    );
    if (left && !this.running) this.redo(left);
  }

  #begin(result: Drawn): void {
    const model = this.model!;
    this.failure = null;
    this.running = result;
    this.shownId = result.id;
    this.pictures.delete(result.id);
    this.progress = { done: 0, total: 0, secondsLeft: null };
    this.kept.put($state.snapshot(result));
    const began = performance.now();
    live.ask(
      'work',
      model.id,
      whatOf($state.snapshot(result), result.seed, model.ranks),
      (pictures, head) => {
        this.#put(result.id, pictures);
        this.#count(began, head);
        if (head.done === head.total) this.#end(completed($state.snapshot(result) as Drawn, head));
      },
      (message) => {
        this.failure = message;
        this.kept.remove(result.id);
        this.running = null;
        this.shownId = this.kept.results[0]?.id ?? EXAMPLE_ID;
      },
    );
  }

  #count(began: number, { done, total }: Head): void {
    this.progress = { done, total, secondsLeft: secondsLeft(began, done, total) };
  }

  #end(result: Drawn): void {
    this.kept.put(result);
    this.running = null;
  }

  #drawExample(model: DrawModel): void {
    const order = exampleOrder(model.id);
    const start = emptyOf(order, EXAMPLE_ID, EXAMPLE_SEED, 0, model.book);
    this.#example = start;
    const began = performance.now();
    live.ask(
      'example',
      model.id,
      whatOf(order, EXAMPLE_SEED, model.ranks),
      (pictures, head) => {
        this.#put(EXAMPLE_ID, pictures);
        if (!this.running) this.#count(began, head);
        if (head.done === head.total) this.#example = completed(start, head);
      },
      (message) => (this.failure = message),
    );
  }

  /** The example speaks the reader's language. */
  forgetExample(): void {
    this.pictures.delete(EXAMPLE_ID);
    this.#example = null;
    if (this.#looking === EXAMPLE_ID) this.#looking = null;
  }

  #put(id: string, pictures: Blob[]): void {
    this.n++;
    if (this.#looking === id && id !== EXAMPLE_ID) this.#looking = null;
    this.pictures.delete(id); // the latest comes last
    this.pictures.set(id, pictures);
    for (const old of this.pictures.keys()) {
      if (this.pictures.size <= IN_MEMORY) return;
      this.pictures.delete(old);
    }
  }
}

function exampleOrder(model: string): Order {
  return { model, prompt: language.words.draw.tries[0]!, style: null, knobs: initialKnobs(), source: null };
}

function emptyOf(order: Order, id: string, seed: number, at: number, book: string): Drawn {
  const none = { codes: [], scores: null, told: '', warnings: [], seconds: null };
  return { ...order, id, seed, at, book, state: 'running', ...none };
}

function completed(result: Drawn, head: Head): Drawn {
  const { codes, scores, prompt, warnings, seconds } = head;
  return { ...result, state: 'done', codes, scores, told: prompt, warnings, seconds };
}

export const drawing = new DrawingDesk();
