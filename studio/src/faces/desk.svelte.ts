import { call, told } from '../api/client';
import { rollSeed } from '../parts/seeds';
import { keep, kept } from '../shell/kept';
import { record, text } from '../write/order';
import { copyOf, faceFrom, faceOf, PSI, sameFace, type Face, type FaceModel } from './face';
import { Job } from './job.svelte';

export const TABS = ['explore', 'mix', 'morph', 'photo'] as const;
export type Tab = (typeof TABS)[number];
export const WAYS = ['spline', 'linear', 'slerp'] as const;
export type Way = (typeof WAYS)[number];
export const FORMATS = ['mp4', 'gif', 'webp'] as const;

/** Steps of the search for a photograph. */
export const STEPS_OF = { quick: 150, good: 400, best: 1000 } as const;
export type Quality = keyof typeof STEPS_OF;

/** A photograph that was found in this session. */
export interface Photo {
  id: string;
  model: string;
  target: string; // WebP in base64: the photograph as the model sees it
  picture: string; // and what was found
  psnr: number;
  poor: boolean;
  others: number;
}

const NAME = 'faces';
const PAST = 'faces.past';
const MOST = 200;
const FIRST = [0, 11, 3, 31]; // seeds that show well what the bundled model can do

/** What lies on this page: the face that is looked at and those before it, the grid, the timeline, the photographs. */
class Desk {
  models: FaceModel[] = $state.raw([]);
  failure: string | null = $state(null);
  chosen = $state('');
  tab: Tab = $state('explore');
  face: Face = $state(faceOf(FIRST[0]!));
  past: Face[] = $state.raw([]); // the newest first
  at = $state(0); // which of them is looked at

  rows: Face[] = $state(FIRST.map((seed) => faceOf(seed)));
  columns: Face[] = $state([5, 13, 8, 22].map((seed) => faceOf(seed)));
  layers = $state({ first: 0, last: 3 });

  keys: Face[] = $state(FIRST.map((seed) => faceOf(seed)));
  seconds = $state(6);
  way: Way = $state('spline');
  loop = $state(true);

  photos: Photo[] = $state.raw([]);
  photo: string | null = $state(null); // the one that is looked at
  quality: Quality = $state('good');
  asIs = $state(false);

  learning = new Job('learning');
  finding = new Job('finding');
  filming = new Job('filming');

  constructor() {
    const stored = record(kept(NAME));
    this.chosen = text(stored['model']);
    this.tab = TABS.find((tab) => tab === stored['tab']) ?? 'explore';
    this.face = faceFrom(stored['face']) ?? this.face;
    const some = (name: string): Face[] => {
      const list: unknown[] = Array.isArray(stored[name]) ? stored[name] : [];
      return list.flatMap((item) => faceFrom(item) ?? []);
    };
    if (some('rows').length > 0) this.rows = some('rows').slice(0, 6);
    if (some('columns').length > 0) this.columns = some('columns').slice(0, 6);
    if (some('keys').length > 1) this.keys = some('keys').slice(0, 24);
    const past = kept(PAST);
    this.past = (Array.isArray(past) ? past : []).flatMap((item) => faceFrom(item) ?? []).slice(0, MOST);
  }

  get model(): FaceModel | undefined {
    return this.models.find(({ id }) => id === this.chosen) ?? this.models[0];
  }

  async load(): Promise<void> {
    try {
      this.models = (await (await call('/api/faces/models')).json()) as FaceModel[];
      this.failure = null;
    } catch (error) {
      this.failure = told(error);
    }
  }

  /** What can be changed about the model's faces is learned once, as soon as somebody looks at them. */
  async learn(): Promise<void> {
    const { model } = this;
    if (!model || model.directions || this.learning.running) return;
    if (await this.learning.start('directions', { model: model.id })) await this.load();
  }

  choose(id: string): void {
    this.chosen = id;
    const count = this.model?.layers ?? 1;
    this.layers = { first: 0, last: Math.min(3, count - 1) };
    const plain = (face: Face): Face => faceOf(face.seed, face.psi); // classes and directions are the other model's
    this.face = plain(this.face);
    [this.rows, this.columns, this.keys] = [
      this.rows.map(plain),
      this.columns.map(plain),
      this.keys.map(plain),
    ];
  }

  /** A face that nobody has seen; truncation, class and what was changed stay. */
  roll(): void {
    this.show({ ...copyOf(this.face), seed: rollSeed(), style: null, mix: null });
  }

  show(face: Face): void {
    this.face = copyOf(face);
    this.settle();
  }

  /** Take the face as it is now into the past, unless it is what is looked at there already. */
  settle(): void {
    const face = copyOf($state.snapshot(this.face));
    const now = this.past[this.at];
    if (now && sameFace(now, face)) return;
    this.past = [face, ...this.past].slice(0, MOST);
    this.at = 0;
    keep(PAST, this.past);
  }

  /** One step: 1 to an older face, -1 to a newer one. */
  walk(step: 1 | -1): void {
    this.visit(this.at + step);
  }

  visit(at: number): void {
    const face = this.past[at];
    if (!face) return;
    this.at = at;
    this.face = copyOf(face);
  }

  forget(): void {
    this.past = [];
    this.at = 0;
    keep(PAST, []);
    this.settle();
  }

  restore(): void {
    this.face = faceOf(this.face.seed, PSI.initial, this.face.class);
  }

  save(): void {
    const { tab, chosen, face, rows, columns, keys } = this;
    keep(NAME, $state.snapshot({ model: chosen, tab, face, rows, columns, keys }));
  }
}

export const desk = new Desk();
