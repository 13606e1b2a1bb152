import { ApiError, get, models, type Model } from '../api/client';
import { language } from '../words/language.svelte';

/** A download as this page sees it. */
export interface Getting {
  state: 'fetching' | 'checking' | 'failed';
  done: number; // bytes
  total: number; // bytes
  message: string;
  secondsLeft: number | null; // null until there is enough to judge by
}

const UNDER_WAY = 'luoxia.getting';
const JUDGE_AFTER = 1; // seconds

/** Every model the server knows, and the downloads this page follows. */
class Catalogue {
  all: Model[] = $state([]);
  known = $state(false);
  failure: string | null = $state(null);
  getting: Record<string, Getting> = $state({});

  get default(): Model | undefined {
    return this.all.find((model) => model.default) ?? this.all[0];
  }

  find(id: string): Model | undefined {
    return this.all.find((model) => model.id === id);
  }

  async load(): Promise<void> {
    try {
      this.all = await models();
      this.known = true;
      this.failure = null;
    } catch (error) {
      this.failure = (error as Error).message;
      return;
    }
    // After a reload, the downloads that this tab began are shown again. A new tab asks for nothing by itself.
    for (const id of underWay()) {
      if (this.find(id)?.here === false) void this.get(id);
      else remember(id, false);
    }
  }

  /** Fetches the model, or joins the download under way; whether it is here at the end. */
  async get(id: string): Promise<boolean> {
    const now = this.getting[id];
    if (now && now.state !== 'failed') return false;
    const entry: Getting = {
      state: 'fetching',
      done: 0,
      total: this.find(id)?.size ?? 0,
      message: '',
      secondsLeft: null,
    };
    this.getting[id] = entry;
    remember(id, true);
    const started = performance.now();
    let firstDone: number | null = null;
    let here = false;
    let failure = '';
    try {
      for await (const event of get(id)) {
        if (event.state === 'done') here = true;
        else if (event.state === 'failed') failure = event.message || language.words.getFailed;
        else {
          firstDone ??= event.done; // what an earlier download left behind says nothing of the speed
          const seconds = (performance.now() - started) / 1000;
          const speed = (event.done - firstDone) / seconds;
          const secondsLeft =
            event.state === 'fetching' && seconds > JUDGE_AFTER && speed > 0
              ? (event.total - event.done) / speed
              : null;
          const { state, done, total, message } = event;
          this.getting[id] = { state, done, total, message: message ?? '', secondsLeft };
        }
      }
      if (!here && !failure) failure = language.words.getFailed;
      remember(id, false);
    } catch (error) {
      // The connection broke, as it does when the page is left: the download itself goes on, and a reload joins it.
      failure = error instanceof ApiError ? error.message : String(error);
    }
    if (here) {
      delete this.getting[id];
      this.all = this.all.map((model) => (model.id === id ? { ...model, here } : model));
    } else {
      const last = this.getting[id] ?? entry;
      this.getting[id] = { ...last, state: 'failed', message: failure, secondsLeft: null };
    }
    return here;
  }
}

function underWay(): string[] {
  try {
    const ids: unknown = JSON.parse(sessionStorage.getItem(UNDER_WAY) ?? '[]');
    return Array.isArray(ids) ? ids.filter((id) => typeof id === 'string') : [];
  } catch {
    return [];
  }
}

function remember(id: string, begun: boolean): void {
  const ids = underWay().filter((other) => other !== id);
  try {
    sessionStorage.setItem(UNDER_WAY, JSON.stringify(begun ? [...ids, id] : ids));
  } catch {
    // Without storage, a reload shows the button again; pressing it joins the download.
  }
}

export const catalogue = new Catalogue();
