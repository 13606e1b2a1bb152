import { allResults, forgetResult, keepResult, type Result } from './results';

/** This browser's results, the newest first, shared by every page and kept in step with other tabs. */
class History {
  results: Result[] = $state.raw(allResults());
  full = $state(false); // the last result did not fit into the browser's storage
  open = $state(false);

  constructor() {
    globalThis.addEventListener?.('storage', (event: StorageEvent) => {
      if (event.key === null || event.key.includes('.result.'))
        this.results = merged(allResults(), this.results);
    });
  }

  put(result: Result): void {
    this.full = !keepResult(result);
    const others = this.results.filter(({ id }) => id !== result.id);
    this.results = [result, ...others].sort((a, b) => b.at - a.at);
  }

  remove(id: string): void {
    forgetResult(id);
    this.results = this.results.filter((result) => result.id !== id);
  }

  clear(): void {
    for (const { id } of this.results) forgetResult(id);
    this.results = [];
  }
}

/** What another tab still writes reads as interrupted; our own running result is the truer one. */
function merged(stored: Result[], ours: Result[]): Result[] {
  const running = new Map(ours.filter(({ finish }) => finish === null).map((result) => [result.id, result]));
  return stored.map((result) => running.get(result.id) ?? result);
}

export const history = new History();
