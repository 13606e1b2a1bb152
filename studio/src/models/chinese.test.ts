import { describe, expect, test } from 'vitest';
import type { Model } from '../api/client';
import { chineseOffer, isChinese } from './chinese';

function model(id: string, languages: string[], size: number, here: boolean): Model {
  return {
    id,
    languages,
    size,
    here,
    kind: 'text',
    title: id,
    summary: { en: '', zh: '' },
    publisher: '',
    licence: 'Apache-2.0',
    default: false,
    opt_in: false,
    note: null,
    context: 1024,
  };
}

describe('isChinese', () => {
  test.each(['写一首诗', 'Translate 水 to English', '𠮷野家', '〇', 'ＡＢＣ 中'])('%s is', (text) => {
    expect(isChinese(text)).toBe(true);
  });
  test.each(['', 'Write a poem', 'héllo 🦆', '，。！', 'ひらがな', '日本語の文章', '한국어 漢字'])(
    '%s is not',
    (text) => {
      expect(isChinese(text)).toBe(false);
    },
  );
});

describe('chineseOffer', () => {
  const english = model('small', ['en'], 100, true);
  const large = model('large', ['en', 'zh'], 9000, false);
  const medium = model('medium', ['zh'], 5000, false);
  const here = model('here', ['en', 'zh'], 20_000, true);

  test('is silent for other languages, able models, and before models are known', () => {
    expect(chineseOffer('a poem', english, [english, large])).toBeNull();
    expect(chineseOffer('写诗', large, [english, large])).toBeNull();
    expect(chineseOffer('写诗', undefined, [])).toBeNull();
  });

  test('offers the smallest able model, but one that is here before all', () => {
    expect(chineseOffer('写诗', english, [english, large, medium])?.model).toBe(medium);
    expect(chineseOffer('写诗', english, [english, large, medium, here])?.model).toBe(here);
  });

  test('says so even when no model can', () => {
    expect(chineseOffer('写诗', english, [english])).toEqual({ model: null });
  });

  test('does not offer a model of another kind', () => {
    expect(chineseOffer('写诗', english, [english, { ...medium, kind: 'image' }])).toEqual({ model: null });
  });
});
