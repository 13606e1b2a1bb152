import { call, told } from '../api/client';
import { Seeded } from '../parts/seeded.svelte';
import { keep, kept } from '../shell/kept';
import { record, text } from '../write/order';
import { initialKnobs, initialOrder, orderFrom, type Order, type PoemModel, type Terms } from './order';
import { poetry } from './poetry.svelte';

const NAME = 'poem-desk';
export const TABS = ['write', 'check'] as const;
export type Tab = (typeof TABS)[number];

/** What lies on the desk: the order being prepared and its seed. It is there again when the tab comes back. */
class Desk extends Seeded {
  models: PoemModel[] = $state.raw([]);
  terms: Terms | null = $state.raw(null);
  known = $state(false); // whether the server was asked
  failure: string | null = $state(null);

  tab: Tab = $state('write');
  marks = $state(false); // whether tones are shown
  chosen = $state(''); // a model's id; empty for the first
  theme = $state('');
  form = $state('');
  rhyme = $state('');
  rhymeClass = $state('');
  tones = $state(true);
  acrostic = $state('');
  author = $state('');
  knobs = $state(initialKnobs());

  constructor() {
    super();
    const stored = record(kept(NAME));
    this.take(orderFrom(stored));
    this.chosen = text(stored['model']);
    this.tab = stored['tab'] === 'check' ? 'check' : 'write';
    this.marks = stored['marks'] === true;
    this.restore(stored);
  }

  get model(): PoemModel | undefined {
    return this.models.find(({ id }) => id === this.chosen) ?? this.models[0];
  }

  /** The level rhymes of the chosen book. */
  get rhymes(): string[] {
    return this.terms?.books.find(({ id }) => id === this.rhyme)?.level ?? [];
  }

  /** How many lines the chosen form has. */
  get lines(): number {
    return this.terms?.forms.find(({ id }) => id === this.form)?.lines ?? 4;
  }

  async load(): Promise<void> {
    try {
      const [models, terms] = await Promise.all([call('/api/poem/models'), call('/api/poem/terms')]);
      this.models = (await models.json()) as PoemModel[];
      this.terms = (await terms.json()) as Terms;
      this.known = true;
      this.failure = null;
    } catch (error) {
      this.failure = told(error);
    }
    poetry.model = this.model;
  }

  choose(id: string): void {
    this.chosen = id;
    if (!this.model?.authors.includes(this.author)) this.author = '';
    poetry.model = this.model;
  }

  rhymeBy(book: string): void {
    this.rhyme = book;
    if (!this.rhymes.includes(this.rhymeClass)) this.rhymeClass = '';
  }

  get order(): Order {
    return {
      model: this.model?.id ?? this.chosen,
      theme: this.theme.trim(),
      form: this.form,
      rhyme: this.rhyme,
      rhymeClass: this.rhymeClass,
      tones: this.tones,
      acrostic: this.acrostic.trim(),
      author: this.author,
      knobs: $state.snapshot(this.knobs),
    };
  }

  /** Lay an earlier order on the desk. The seed stays, unless one is given: then it is kept for what is written next. */
  take(order: Order, seed?: number): void {
    this.chosen = order.model;
    this.theme = order.theme;
    this.form = order.form;
    this.rhyme = order.rhyme;
    this.rhymeClass = order.rhymeClass;
    this.tones = order.tones;
    this.acrostic = order.acrostic;
    this.author = order.author;
    this.knobs = { ...order.knobs };
    if (seed !== undefined) this.lock(seed);
  }

  /** Everything but the theme as it was in the beginning. */
  reset(): void {
    this.take({ ...initialOrder(this.chosen), theme: this.theme });
  }

  save(): void {
    const { seed, locked, chosen, tab, marks } = this;
    keep(NAME, { ...this.order, model: chosen, seed, locked, tab, marks });
  }
}

export const desk = new Desk();
