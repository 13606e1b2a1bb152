import { dictionaries, type LanguageName } from '../words/language.svelte';
import { moment } from '../words/numbers';

/** A row of a label. */
export interface Row {
  name: string;
  value: string;
  typed?: boolean;
}

/** The first rows of a result's label: what made it, when, and its seed. Of a model that is another one, its id is known. */
export function originRows(
  result: { model: string; at: number; seed: number },
  model: { id: string; title: string; publisher: string | null; licence: string[] } | undefined,
  name: LanguageName,
  tag: string,
): Row[] {
  const t = dictionaries[name];
  const by =
    model?.id === result.model
      ? [model.title, model.publisher, ...model.licence].filter(Boolean).join(' · ')
      : result.model;
  return [
    { name: t.madeBy, value: by },
    ...(result.at > 0 ? [{ name: t.madeAt, value: moment(result.at, tag) }] : []),
    { name: t.seed, value: String(result.seed) },
  ];
}
