import type { Model } from '../api/client';
import { catalogue } from '../models/catalogue.svelte';
import { keep, kept } from '../shell/kept';
import { Seeded } from '../parts/seeded.svelte';
import { initialSampling, orderFrom, record, text, type Order, type ShapeName } from './order';

const NAME = 'write';

/** What lies on the desk: the order being prepared and its seed. It is there again when the tab comes back. */
export class Desk extends Seeded {
  chosen = $state(''); // a model's id; empty for the server's default
  prompt = $state('');
  system = $state('');
  examples: Order['examples'] = $state([]);
  sampling = $state(initialSampling());
  shape: ShapeName = $state('none');
  drafts: Record<ShapeName, string> = $state({ none: '', json: '', regex: '', choices: '' });

  constructor() {
    super();
    const stored = record(kept(NAME));
    this.take(orderFrom(stored));
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
    this.shape = order.shape.kind;
    if (order.shape.kind !== 'none') this.drafts[order.shape.kind] = order.shape.text;
    if (seed !== undefined) this.lock(seed);
  }

  save(): void {
    const { drafts, seed, locked, chosen } = this;
    keep(NAME, { ...this.order, model: chosen, drafts: $state.snapshot(drafts), seed, locked });
  }
}

export const desk = new Desk();
