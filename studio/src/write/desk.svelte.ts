import type { Model, Status } from '../api/client';
import { catalogue } from '../models/catalogue.svelte';
import { keep, kept } from '../shell/kept';
import { within } from '../parts/knobs';
import { Seeded } from '../parts/seeded.svelte';
import { initialSampling, orderFrom, RANGES, record, text, type Order, type ShapeName } from './order';

const NAME = 'write';

/** What lies on the desk: the order being prepared and its seed. It is there again when the tab comes back. */
export class Desk extends Seeded {
  chosen = $state(''); // a model's id; empty for the server's default
  prompt = $state('');
  system = $state('');
  examples: Order['examples'] = $state([]);
  sampling = $state(initialSampling());
  usual = $state(RANGES.temperature.initial); // the temperature that the server has where nobody asks for another
  #own = false; // whether another is on the desk that was not chosen there, but came with an earlier order
  shape: ShapeName = $state('none');
  drafts: Record<ShapeName, string> = $state({ none: '', json: '', regex: '', choices: '' });

  constructor() {
    super();
    const stored = record(kept(NAME));
    this.take(orderFrom(stored));
    this.#own = false;
    this.usual = within(RANGES.temperature, stored['usual']);
    this.prompt = text(stored['prompt']);
    const drafts = record(stored['drafts']);
    for (const kind of ['json', 'regex', 'choices'] as const) this.drafts[kind] ||= text(drafts[kind]);
    this.restore(stored);
  }

  get model(): Model | undefined {
    return catalogue.find(this.chosen) ?? catalogue.default;
  }

  /** The order as it stands. */
  get order(): Order {
    return {
      model: this.model?.id ?? this.chosen,
      prompt: this.prompt,
      system: this.system,
      examples: $state.snapshot(this.examples),
      sampling: $state.snapshot(this.sampling),
      shape: { kind: this.shape, text: this.drafts[this.shape] },
    };
  }

  /** Lay an earlier order on the desk. The seed stays, unless one is given: then it is kept for the next answer. */
  take(order: Order, seed?: number): void {
    this.chosen = order.model;
    this.prompt = order.prompt;
    this.system = order.system;
    this.examples = order.examples.map((example) => ({ ...example }));
    this.sampling = { ...order.sampling };
    this.#own = true;
    this.shape = order.shape.kind;
    if (order.shape.kind !== 'none') this.drafts[order.shape.kind] = order.shape.text;
    if (seed !== undefined) this.lock(seed);
  }

  /** The temperature goes along with the server's usual one, unless another was chosen. */
  follow(server: Pick<Status, 'temperature' | 'shaped_temperature'>): void {
    const usual = this.shape === 'none' ? server.temperature : server.shaped_temperature;
    if (this.sampling.temperature === this.usual && !this.#own) this.sampling.temperature = usual;
    this.#own &&= this.sampling.temperature !== usual;
    this.usual = usual;
  }

  save(): void {
    const { drafts, seed, locked, chosen, usual } = this;
    keep(NAME, { ...this.order, model: chosen, drafts: $state.snapshot(drafts), seed, locked, usual });
  }
}

export const desk = new Desk();
