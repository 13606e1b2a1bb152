import { call, isAbort, post, told, type Model, type Schemas } from '../api/client';
import { catalogue } from '../models/catalogue.svelte';
import { base64 } from '../parts/photograph';
import { Seeded } from '../parts/seeded.svelte';
import { keep, kept } from '../shell/kept';
import { language } from '../words/language.svelte';
import { size } from '../words/numbers';
import { record, text } from '../write/order';
import { nameFrom } from './naming';

export type Examples = Schemas['ExamplesRead'];
export type Plan = Schemas['Plan'];
export type Run = Schemas['TuneRun'];
export type Curves = Schemas['TuneCurves'];

const NAME = 'finetune';
const EVERY = 1000; // milliseconds between two looks at a training
const PLAN_AFTER = 300; // milliseconds
const LARGEST = 16 * 2 ** 20; // bytes, the server's limit
export const NEW = ''; // what is shown where no run is

/** The fine-tuning being prepared, and those that were begun. A training runs on the server's machine by itself. */
class Tuning extends Seeded {
  runs: Run[] = $state.raw([]);
  known = $state(false); // whether the server was asked
  shown = $state(NEW); // a run's name
  curves: Curves | null = $state.raw(null);
  failure: string | null = $state(null);

  examples: Examples | null = $state.raw(null);
  reading = $state(false);
  refused: string | null = $state(null); // why a file was not taken
  chosen = $state(''); // a base's id; empty for the default
  rank = $state(16);
  steps: number | null = $state(null); // as many as the data calls for
  name = $state('');
  licence = $state('');
  plan: Plan | null = $state.raw(null);
  planFailure: string | null = $state(null);
  starting = $state(false);
  stopping = $state(''); // the run that was asked to save and end

  #timer: ReturnType<typeof setTimeout> | undefined;
  #planning: AbortController | null = null;
  #watching: ReturnType<typeof setInterval> | undefined;

  constructor() {
    super();
    const stored = record(kept(NAME));
    this.shown = text(stored['shown']);
  }

  /** Text models here that can be taught: not adapters, which stand on another one. */
  get bases(): Model[] {
    return catalogue.all.filter(
      ({ kind, here, publisher }) => kind === 'text' && here && !catalogue.find(publisher),
    );
  }

  get base(): Model | undefined {
    return (
      this.bases.find(({ id }) => id === this.chosen) ?? this.bases.find((m) => m.default) ?? this.bases[0]
    );
  }

  get running(): Run | undefined {
    return this.runs.find(({ state }) => state === 'running');
  }

  /** Ask for all runs, and for the shown one with its curves. */
  async load(): Promise<void> {
    try {
      this.runs = (await (await call('/api/finetune/runs')).json()) as Run[];
      this.known = true;
      if (!this.runs.some(({ name }) => name === this.shown)) this.shown = NEW;
      await this.look();
      this.failure = null;
    } catch (error) {
      this.failure = told(error);
    }
  }

  async look(): Promise<void> {
    const { shown } = this;
    if (shown === NEW) {
      this.curves = null;
      return;
    }
    const found = (await (await call(`/api/finetune/runs/${shown}`)).json()) as Curves;
    if (shown !== this.shown) return;
    const before = this.curves?.name === shown ? this.curves : null;
    this.curves = found;
    this.runs = this.runs.map((run) => (run.name === shown ? found : run));
    if (found.here && !catalogue.find(shown)) await catalogue.load(); // its first checkpoint can be written with
    if (before?.state === 'running' && found.state !== 'running') await catalogue.load();
  }

  /** Follow what runs for as long as the page is there; what is returned ends it. */
  watch(): () => void {
    void this.load();
    this.#watching = setInterval(() => {
      if (this.running && !document.hidden) void this.load();
    }, EVERY);
    return () => clearInterval(this.#watching);
  }

  show(name: string): void {
    this.shown = name;
    this.curves = null;
    this.save();
    void this.look().catch((error: unknown) => (this.failure = told(error)));
  }

  async read(file: Blob, name: string): Promise<void> {
    if (this.reading) return;
    this.refused = null;
    if (file.size > LARGEST) {
      this.refused = language.words.finetune.tooLarge(size(file.size, language.tag));
      return;
    }
    this.reading = true;
    try {
      const data = base64(new Uint8Array(await file.arrayBuffer()));
      this.examples = (await (await post('/api/finetune/examples', { name, data })).json()) as Examples;
      this.name ||= nameFrom(name, [
        ...catalogue.all.map(({ id }) => id),
        ...this.runs.map((run) => run.name),
      ]);
      this.shown = NEW;
      this.replan();
    } catch (error) {
      this.examples = null;
      this.plan = null;
      this.refused = told(error);
    } finally {
      this.reading = false;
    }
  }

  forgetExamples(): void {
    this.examples = null;
    this.plan = null;
    this.refused = null;
    this.name = '';
  }

  /** Have the plan follow what was chosen. */
  replan(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#plan(), PLAN_AFTER);
  }

  async #plan(): Promise<void> {
    const { examples, base, rank, steps } = this;
    if (!examples || !base) return;
    this.#planning?.abort();
    const abort = (this.#planning = new AbortController());
    try {
      const ask = { examples: examples.id, base: base.id, rank, steps };
      this.plan = (await (await post('/api/finetune/plan', ask, { signal: abort.signal })).json()) as Plan;
      this.planFailure = null;
    } catch (error) {
      if (isAbort(error)) return;
      this.plan = null;
      this.planFailure = told(error);
    }
  }

  async start(): Promise<void> {
    const { examples, base, rank, steps, licence } = this;
    if (!examples || !base || this.starting) return;
    this.starting = true;
    this.failure = null;
    try {
      const name = this.name.trim();
      const ask = { examples: examples.id, base: base.id, rank, steps, name, licence, seed: this.nextSeed() };
      const run = (await (await post('/api/finetune/runs', ask)).json()) as Run;
      this.runs = [run, ...this.runs];
      this.forgetExamples();
      this.show(run.name);
    } catch (error) {
      this.failure = told(error);
    } finally {
      this.starting = false;
    }
  }

  stop(name: string): Promise<void> {
    this.stopping = name;
    return this.#act(`/api/finetune/runs/${name}/stop`, 'POST');
  }

  goOn(name: string): Promise<void> {
    this.stopping = '';
    return this.#act(`/api/finetune/runs/${name}/resume`, 'POST');
  }

  async remove(name: string): Promise<void> {
    await this.#act(`/api/finetune/runs/${name}`, 'DELETE');
    await catalogue.load();
  }

  async #act(path: string, method: string): Promise<void> {
    this.failure = null;
    try {
      await call(path, { method });
      await this.load();
    } catch (error) {
      this.failure = told(error);
    }
  }

  save(): void {
    keep(NAME, { shown: this.shown });
  }
}

export const tuning = new Tuning();
