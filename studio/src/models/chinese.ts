import type { Model } from '../api/client';

const HAN = /\p{Script=Han}/u;
// Kana or hangul beside the ideographs: the text is Japanese or Korean, which a Chinese model is no answer to.
const OTHER = /[\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;

export function isChinese(text: string): boolean {
  return HAN.test(text) && !OTHER.test(text);
}

export function speaks(model: Model, language: string): boolean {
  return model.languages.includes(language);
}

export type ChineseOffer = { model: Model | null };

/**
 * What to say of a text that the chosen model cannot continue well: nothing (`null`), or that it does not write
 * Chinese, with the model that does. One that is here already goes before one that has to be fetched, and among
 * those the smallest goes first.
 */
export function chineseOffer(text: string, chosen: Model | undefined, all: Model[]): ChineseOffer | null {
  if (!chosen || speaks(chosen, 'zh') || !isChinese(text)) return null;
  const able = all
    .filter((model) => model.kind === chosen.kind && speaks(model, 'zh'))
    .sort((a, b) => Number(b.here) - Number(a.here) || a.size - b.size);
  return { model: able[0] ?? null };
}
