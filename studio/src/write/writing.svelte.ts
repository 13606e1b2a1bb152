import { ApiError, chat, isAbort, status, told } from '../api/client';
import { history } from '../history/history.svelte';
import type { Result } from '../history/results';
import { Walk } from '../history/walk.svelte';
import { catalogue } from '../models/catalogue.svelte';
import { language } from '../words/language.svelte';
import { EXAMPLE } from './example';
import { requestOf, shapeProblem, type Order } from './order';

const SHOW_EVERY = 33; // milliseconds; tokens in between are shown together
const KEEP_EVERY = 1000;
const ASK_WHY_AFTER = 400;

export type Waiting = 'reading' | 'loading' | 'queued';

/** The answer being written, and which one is shown. It goes on while another page is looked at. */
class Writing extends Walk<Result> {
  waiting: Waiting | null = $state(null); // for what, until the first word
  failure: string | null = $state(null);

  #abort: AbortController | null = null;

  constructor() {
    super();
    this.shownId = history.results[0]?.id ?? EXAMPLE.id;
  }

  protected get past(): Result[] {
    return history.results;
  }

  protected get example(): Result {
    return EXAMPLE;
  }

  stop(): void {
    this.#abort?.abort();
  }

  /** Keep what there is of a running result; called before the page goes away. */
  save(): void {
    if (this.running?.text) history.put($state.snapshot(this.running));
  }

  async make(order: Order, seed: number): Promise<void> {
    if (this.running) return;
    this.failure = shapeProblem(order.shape, language.words);
    if (this.failure) return;
    const before = this.shownId;
    const abort = (this.#abort = new AbortController());
    this.running = {
      ...order,
      id: `${Date.now().toString(36)}-${seed.toString(36)}`,
      at: Date.now(),
      seed,
      text: '',
      finish: null,
      tokens: null,
      firstTokenSeconds: null,
      tokensPerSecond: null,
      sentence: '',
    };
    const result = this.running; // the reactive one
    this.shownId = result.id;
    this.waiting = 'reading';
    const why = setInterval(() => void this.#askWhy(order.model), ASK_WHY_AFTER);
    try {
      await this.#follow(result, order, abort.signal);
    } catch (error) {
      if (isAbort(error)) result.finish = 'cancelled';
      else {
        result.finish = 'interrupted';
        this.failure = told(error);
        if (error instanceof ApiError && error.code === 'model_not_here') void catalogue.load();
      }
    } finally {
      clearInterval(why);
      this.waiting = null;
    }
    this.running = null;
    if (result.text) history.put($state.snapshot(result));
    else if (this.shownId === result.id) this.shownId = before; // nothing came, nothing is kept
  }

  async #follow(result: Result, order: Order, signal: AbortSignal): Promise<void> {
    let pending = '';
    let shownAt = 0;
    let keptAt = performance.now();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (): void => {
      clearTimeout(timer);
      timer = undefined;
      result.text += pending;
      pending = '';
      shownAt = performance.now();
      if (shownAt - keptAt > KEEP_EVERY) {
        keptAt = shownAt;
        this.save();
      }
    };
    try {
      for await (const chunk of chat(requestOf(order, result.seed), signal)) {
        const choice = chunk.choices[0];
        if (choice?.delta.content) {
          this.waiting = null;
          pending += choice.delta.content;
          timer ??= setTimeout(show, Math.max(0, shownAt + SHOW_EVERY - performance.now()));
        }
        if (choice?.finish_reason) result.finish = choice.finish_reason;
        if (chunk.usage) result.tokens = chunk.usage.completion_tokens;
        if (chunk.luoxia) {
          result.firstTokenSeconds = chunk.luoxia.first_token_seconds ?? null;
          result.tokensPerSecond = chunk.luoxia.tokens_per_second ?? null;
          result.sentence = chunk.luoxia.sentence ?? '';
        }
      }
      if (result.finish === null) throw new ApiError(language.words.brokeOff, 'broke_off');
    } finally {
      show();
    }
  }

  /** Until the first word comes, say what it waits for. */
  async #askWhy(model: string): Promise<void> {
    if (!this.waiting) return;
    const now = await status().catch(() => null);
    if (!this.waiting || !now) return;
    this.waiting = now.queued > 0 ? 'queued' : now.loaded !== model ? 'loading' : 'reading';
  }
}

export const writing = new Writing();
