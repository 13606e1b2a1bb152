import type { Item, Store } from './store';

/** This browser's results, the newest first, kept in step with other tabs. */
export class Past<T extends Item> {
  results: T[] = $state.raw([]);
  full = $state(false); // the last result did not fit into the browser's storage

  #store: Store<T>;
  #running: (result: T) => boolean;

  constructor(store: Store<T>, running: (result: T) => boolean) {
    this.#store = store;
    this.#running = running;
    this.results = store.all();
    globalThis.addEventListener?.('storage', (event: StorageEvent) => {
      if (event.key === null || event.key.includes(`.${store.start}`))
        this.results = this.#merged(store.all());
    });
  }

  put(result: T): void {
    this.full = !this.#store.keep(result);
    const others = this.results.filter(({ id }) => id !== result.id);
    this.results = [result, ...others].sort((a, b) => b.at - a.at);
  }

  remove(id: string): void {
    this.#store.forget(id);
    this.results = this.results.filter((result) => result.id !== id);
  }

  clear(): void {
    for (const { id } of this.results) this.#store.forget(id);
    this.results = [];
  }

  /** What another tab still makes reads as interrupted; our own running result is the truer one. */
  #merged(stored: T[]): T[] {
    const running = new Map(this.results.filter(this.#running).map((result) => [result.id, result]));
    return stored.map((result) => running.get(result.id) ?? result);
  }
}
