import { describe, expect, test } from 'vitest';
import { dictionaries, preferred } from './language.svelte';
import { duration, size } from './numbers';

function leaves(value: unknown, path = ''): [string, string][] {
  if (typeof value === 'function') {
    return [[path, String((value as (...args: unknown[]) => string)('A1', 'B2'))]];
  }
  if (typeof value === 'object' && value !== null) {
    return Object.entries(value).flatMap(([key, inner]) => leaves(inner, `${path}.${key}`));
  }
  return [[path, String(value)]];
}

const en = new Map(leaves(dictionaries.en));
const zh = new Map(leaves(dictionaries.zh));

describe('dictionaries', () => {
  test('have the same keys, none empty', () => {
    expect([...zh.keys()]).toEqual([...en.keys()]);
    for (const [path, text] of [...en, ...zh]) expect(text.trim(), path).not.toBe('');
  });

  test('say everything in their own language', () => {
    const named = ['.otherLanguage', '.shape.json', '.slider.top_p', '.slider.top_k', '.slider.min_p'];
    const unchanged = ['.shapeLabel.json', '.machine', '.themeOf', '.faces.and', '.faces.comma'];
    for (const [path, text] of zh) {
      if (named.includes(path) || unchanged.includes(path)) continue;
      expect(text, path).toMatch(/\p{Script=Han}/u);
    }
    for (const [path, text] of en) {
      if (path !== '.otherLanguage') expect(text, path).not.toMatch(/\p{Script=Han}/u);
    }
  });

  test('use every argument of a text that takes some', () => {
    for (const [path, text] of zh) {
      expect([text.includes('A1'), text.includes('B2')], path).toEqual([
        en.get(path)?.includes('A1'),
        en.get(path)?.includes('B2'),
      ]);
    }
  });

  test('set full-width punctuation beside Chinese characters', () => {
    for (const [path, text] of zh) {
      expect(text, path).not.toMatch(/\p{Script=Han}[,.;:?!()]|[,;?!(]\p{Script=Han}/u);
    }
  });
});

test('the language is the first spoken one of those preferred', () => {
  expect(preferred(['fr-FR', 'zh-Hant-TW', 'en'])).toBe('zh');
  expect(preferred(['de'])).toBe('en');
  expect(preferred(['undefined', 'en-GB', 'zh'])).toBe('en');
});

test('sizes and durations are as coarse as a person needs', () => {
  expect(size(98_362_432, 'en')).toBe('98.4 MB');
  expect(size(1_117_320_768, 'zh-CN')).toBe('1.12 GB');
  expect(size(999_999, 'en')).toBe('1 MB');
  expect(duration(0.238, 'en')).toBe('0.24s');
  expect(duration(75, 'zh-CN')).toBe('75 秒');
  expect(duration(600, 'en')).toBe('10m');
});
