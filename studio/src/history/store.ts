import { forget, keep, kept, keptNames } from '../shell/kept';

export interface Item {
  id: string;
  at: number; // when it was asked for, in milliseconds since 1970
}

/** Results in this browser's storage, one item for each, so that two tabs never overwrite each other's. */
export class Store<T extends Item> {
  /** Under names that begin with `start`; `from` reads what is stored, where anything may have been written. */
  constructor(
    readonly start: string,
    readonly most: number,
    readonly from: (id: string, value: unknown) => T | null,
  ) {}

  /** Whether there was room. */
  keep(result: T): boolean {
    const { id, ...content } = result;
    if (keep(this.start + id, content)) return true;
    // No room: the older half goes, which is kinder than losing what is being made.
    const others = this.all().filter((other) => other.id !== id);
    for (const old of others.slice(Math.ceil(others.length / 2))) this.forget(old.id);
    return keep(this.start + id, content);
  }

  forget(id: string): void {
    forget(this.start + id);
  }

  /** The newest first. Beyond the most that are kept, the oldest are removed. */
  all(): T[] {
    const names = keptNames(this.start);
    const results = names.flatMap((name) => this.from(name.slice(this.start.length), kept(name)) ?? []);
    results.sort((a, b) => b.at - a.at || (a.id < b.id ? 1 : -1));
    for (const old of results.splice(this.most)) this.forget(old.id);
    return results;
  }
}

/** Those whose text holds every word of the query, whatever the case. */
export function matching<T>(results: T[], query: string, textOf: (result: T) => string): T[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  return results.filter((result) => {
    const all = textOf(result).toLowerCase();
    return words.every((word) => all.includes(word));
  });
}
