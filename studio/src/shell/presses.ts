/** What a key asks for, wherever on the page it is pressed. */
export type Wish = 'stop' | 'leave' | 'older' | 'newer' | 'history' | 'keys' | 'prompt';

export interface Where {
  /** A text box, slider or choice has the focus, and keys belong to it. */
  field: boolean;
  /** The focus is in the prompt, or a link or button has it. */
  prompt: boolean;
  pressable: boolean;
  /** The prompt has no text yet. */
  empty: boolean;
  running: boolean;
}

/** The page that is shown: whether it makes something just now, and how it answers wishes; true when it did. */
export interface Shown {
  running: () => boolean;
  take: (wish: Wish) => boolean;
}

let page: Shown | null = null;

/** For a page's `onMount`; what it returns takes the page away again. */
export function shows(shown: Shown): () => void {
  page = shown;
  return () => {
    if (page === shown) page = null;
  };
}

/** What pages with a prompt have in common: Esc stops, arrows walk through results. */
export function walking(results: {
  running: unknown;
  stop: () => void;
  walk: (step: 1 | -1) => void;
}): Shown {
  return {
    running: () => results.running !== null,
    take: (wish) => {
      if (wish === 'stop') results.stop();
      else if (wish === 'older') results.walk(1);
      else if (wish === 'newer') results.walk(-1);
      else return false;
      return true;
    },
  };
}

export function running(): boolean {
  return page?.running() ?? false;
}

export function takes(wish: Wish): boolean {
  return page?.take(wish) ?? false;
}

/** Keys without modifiers; the caller has seen to input methods and open dialogs. */
export function wishOf(key: string, where: Where): Wish | null {
  if (key === 'Escape') return where.running ? 'stop' : where.field ? 'leave' : null;
  if (where.field && !(where.prompt && where.empty)) return null;
  if (key === 'ArrowLeft') return 'older';
  if (key === 'ArrowRight') return 'newer';
  if (key === '/') return 'history';
  if (key === '?' || key === '？') return 'keys';
  return key === 'Enter' && !where.field && !where.pressable ? 'prompt' : null;
}
