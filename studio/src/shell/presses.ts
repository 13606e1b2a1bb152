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

/** A page that answers some wishes in its own way puts a listener here while it is shown; true when it did. */
export const wishes: { take: ((wish: Wish) => boolean) | null } = { take: null };

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
