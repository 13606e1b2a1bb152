import { originRows, type Row } from '../parts/origin';
import type { Words } from '../words/en';
import { dictionaries, type LanguageName } from '../words/language.svelte';
import { duration } from '../words/numbers';
import { KNOBS, type Knob, type PoemModel, type Verdict, type Written } from './order';

/** What a knob is called; some are known from writing and drawing. */
export function knobName(knob: Knob, { slider, draw, poem }: Words): string {
  return { ...slider, ...draw.knob, ...poem.knob }[knob];
}

/** A form or a book of rhymes, as its reader calls it; its own name is Chinese. */
export function titled({ id, en, zh }: { id: string; en: string; zh: string }, name: LanguageName): string {
  return name === 'zh' ? zh : `${id} · ${en}`;
}

/** Form, rhyme and pattern, as far as there are any. */
export function factsOf({ form, book, rhyme, pattern }: Verdict, name: LanguageName): string[] {
  const t = dictionaries[name].poem;
  return [form ?? t.noForm, `${book} ${rhyme ?? t.noRhyme}`, pattern?.[name] ?? ''].filter(Boolean);
}

/** The rows of a result's label. */
export function labelRows(
  result: Written,
  model: PoemModel | undefined,
  name: LanguageName,
  tag: string,
): Row[] {
  const t = dictionaries[name];
  const kept = [
    result.form,
    [result.rhyme, result.rhymeClass].filter(Boolean).join(' '),
    t.poem.tonesOf[result.tones ? 'strict' : 'free'],
    result.author && t.poem.after(result.author),
    ...KNOBS.map((knob) => `${knobName(knob, t)} ${result.knobs[knob]}`),
  ];
  return [
    ...originRows(result, model, name, tag),
    ...(result.theme ? [{ name: t.poem.theme, value: result.theme, typed: true }] : []),
    ...(result.acrostic ? [{ name: t.poem.acrostic, value: result.acrostic, typed: true }] : []),
    { name: t.settings, value: kept.filter(Boolean).join(' · ') },
    ...(result.seconds === null ? [] : [{ name: t.draw.took, value: duration(result.seconds, tag) }]),
  ];
}
