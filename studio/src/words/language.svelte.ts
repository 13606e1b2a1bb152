import { keep, kept } from '../shell/kept';
import { en, type Words } from './en';
import { zh } from './zh';

export const dictionaries = { en, zh };
export type LanguageName = keyof typeof dictionaries;

/** The first language of the list that the studio speaks, as a browser reports them; English when none is. */
export function preferred(tags: readonly string[]): LanguageName {
  for (const tag of tags) {
    const name = tag.toLowerCase().split('-')[0];
    if (name === 'en' || name === 'zh') return name;
  }
  return 'en';
}

class Language {
  name: LanguageName = $state(
    preferred([String(kept('language')), ...(globalThis.navigator?.languages ?? [])]),
  );

  get words(): Words {
    return dictionaries[this.name];
  }

  /** The tag for `lang` attributes, `Accept-Language` and Intl. */
  get tag(): string {
    return this.name === 'zh' ? 'zh-CN' : 'en';
  }

  switchOver(): void {
    this.name = this.name === 'zh' ? 'en' : 'zh';
    keep('language', this.name);
  }
}

export const language = new Language();
