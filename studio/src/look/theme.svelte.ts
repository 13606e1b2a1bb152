import { keep, kept } from '../shell/kept';

export const THEMES = ['system', 'light', 'dark'] as const;
export type ThemeName = (typeof THEMES)[number];

class Theme {
  name: ThemeName = $state(THEMES.find((theme) => theme === kept('theme')) ?? 'system');

  constructor() {
    this.#apply();
  }

  next(): void {
    this.name = THEMES[(THEMES.indexOf(this.name) + 1) % THEMES.length]!;
    keep('theme', this.name);
    this.#apply();
  }

  /** The colours follow `color-scheme` alone, see tokens.css. */
  #apply(): void {
    document.documentElement.dataset['theme'] = this.name;
  }
}

export const theme = new Theme();
