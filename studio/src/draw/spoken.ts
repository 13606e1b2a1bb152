import { originRows, type Row } from '../parts/origin';
import type { Words } from '../words/en';
import { dictionaries, type LanguageName } from '../words/language.svelte';
import { duration } from '../words/numbers';
import { KNOBS, type DrawModel, type Drawn, type Knob } from './order';

/** The style of a result, as its reader calls it; nothing where there is none. */
export function styleName({ style }: { style: string | null }, model: DrawModel, name: LanguageName): string {
  const known = model.styles.find(({ id }) => id === style);
  return style === null ? '' : dictionaries[name].draw.inStyle(known?.[name] ?? style);
}

/** What a knob is called; some are known from writing. */
export function knobName(knob: Knob, { slider, draw }: Words): string {
  return { ...slider, ...draw.knob }[knob];
}

/** The rows of a result's label. */
export function labelRows(result: Drawn, model: DrawModel, name: LanguageName, tag: string): Row[] {
  const t = dictionaries[name];
  const { source } = result;
  const value = (knob: (typeof KNOBS)[number]): string => `${knobName(knob, t)} ${result.knobs[knob]}`;
  const knobs = KNOBS.filter((knob) => knob !== 'choice' || model.ranks);
  const told = result.told && result.told !== result.prompt;
  return [
    ...originRows(result, model, name, tag),
    { name: t.settings, value: knobs.map(value).join(' · ') },
    ...(told ? [{ name: t.draw.told, value: result.told, typed: true }] : []),
    ...(source
      ? [
          {
            name: t.draw.source,
            value: source.kind === 'vary' ? `${t.draw.vary} · ${source.strength}` : t.draw.complete,
          },
        ]
      : []),
    ...(result.scores
      ? [{ name: t.draw.scores, value: result.scores.map((score) => score.toFixed(3)).join(' · ') }]
      : []),
    ...(result.seconds === null ? [] : [{ name: t.draw.took, value: duration(result.seconds, tag) }]),
  ];
}
