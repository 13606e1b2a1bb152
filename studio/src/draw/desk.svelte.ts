import { call, post, told, type Schemas } from '../api/client';
import { encoded } from '../parts/photograph';
import { Seeded } from '../parts/seeded.svelte';
import { keep, kept } from '../shell/kept';
import { language } from '../words/language.svelte';
import { record, text } from '../write/order';
import { drawing } from './drawing.svelte';
import { givenOf, initialKnobs, orderFrom, STRENGTH, type DrawModel, type Order, type Source } from './order';

const NAME = 'draw';

/** A picture that lies on the desk to be completed or varied. */
export interface Base {
  codes: number[];
  free: boolean[];
  use: Source['kind'];
  strength: number;
}

/** What lies on the desk: the order being prepared and its seed. It is there again when the tab comes back. */
class Desk extends Seeded {
  models: DrawModel[] = $state.raw([]);
  known = $state(false); // whether the server was asked
  failure: string | null = $state(null);

  chosen = $state(''); // a model's id; empty for the first
  prompt = $state('');
  style: string | null = $state(null);
  knobs = $state(initialKnobs());
  base: Base | null = $state(null);
  reading = $state(false); // a picture of the user's own is on its way

  constructor() {
    super();
    const stored = record(kept(NAME));
    this.take(orderFrom(stored));
    this.base = null; // its model may be another one now
    this.chosen = text(stored['model']);
    this.restore(stored);
  }

  get model(): DrawModel | undefined {
    return this.models.find(({ id }) => id === this.chosen) ?? this.models[0];
  }

  async load(): Promise<void> {
    try {
      this.models = (await (await call('/api/draw/models')).json()) as DrawModel[];
      this.known = true;
      this.failure = null;
    } catch (error) {
      this.failure = told(error);
    }
    drawing.model = this.model;
  }

  choose(id: string): void {
    this.chosen = id;
    this.base = null; // codes mean something else to another model
    if (!this.model?.styles.some((style) => style.id === this.style)) this.style = null;
    drawing.model = this.model;
  }

  get order(): Order {
    const base = $state.snapshot(this.base);
    return {
      model: this.model?.id ?? this.chosen,
      prompt: this.prompt,
      style: this.style,
      knobs: $state.snapshot(this.knobs),
      source: base && sourceOf(base),
    };
  }

  /** What keeps the order from being drawn, in words; null when nothing does. */
  get problem(): string | null {
    const t = language.words.draw;
    if (this.base?.use === 'complete') {
      if (this.base.free.every((free) => !free)) return t.nothingMarked;
      if (this.base.free.every((free) => free)) return t.allMarked;
    }
    return null;
  }

  /** Lay an earlier order on the desk. The seed stays, unless one is given: then it is kept for what is drawn next. */
  take(order: Order, seed?: number): void {
    const { source } = order;
    this.chosen = order.model;
    this.prompt = order.prompt;
    this.style = order.style;
    this.knobs = { ...order.knobs };
    this.base = source && baseOf(source);
    if (seed !== undefined) this.lock(seed);
  }

  /** Lay one of the model's own pictures on the desk. */
  use(codes: number[], use: Source['kind']): void {
    this.base = { codes: [...codes], free: codes.map(() => false), use, strength: STRENGTH.initial };
  }

  /** A picture of the user's own. */
  async read(file: Blob): Promise<void> {
    if (!this.model || this.reading) return;
    this.failure = null;
    this.reading = true;
    try {
      const picture = await encoded(file).catch(() => null);
      if (picture === null) throw new Error(language.words.notPicture);
      const answer = await post('/api/draw/pictures', { model: this.model.id, picture });
      const { codes, free } = (await answer.json()) as Schemas['PictureCodes'];
      this.base = { codes, free, use: 'complete', strength: STRENGTH.initial };
    } catch (error) {
      this.failure = error instanceof Error ? error.message : String(error);
    } finally {
      this.reading = false;
    }
  }

  save(): void {
    const { seed, locked, chosen } = this;
    keep(NAME, { ...this.order, source: null, model: chosen, seed, locked });
  }
}

function sourceOf({ use, codes, free, strength }: Base): Source {
  return use === 'vary'
    ? { kind: 'vary', codes, strength }
    : { kind: 'complete', given: givenOf(codes, free) };
}

function baseOf(source: Source): Base {
  if (source.kind === 'vary')
    return {
      codes: source.codes,
      free: source.codes.map(() => false),
      use: 'vary',
      strength: source.strength,
    };
  const free = source.given.map((code) => code < 0);
  return {
    codes: source.given.map((code) => Math.max(0, code)),
    free,
    use: 'complete',
    strength: STRENGTH.initial,
  };
}

export const desk = new Desk();
