import type { Words } from '../words/en';
import type { Direction, Face, FaceModel } from './face';

/** A direction's name for people; that of the server where there is none. */
export function directionName(name: string, words: Words): string {
  const known = words.faces.direction[name];
  if (known) return known;
  const numbered = /^(sefa|pca)-(\d+)$/.exec(name);
  if (!numbered) return name;
  const [, kind, n] = numbered;
  return kind === 'sefa' ? words.faces.factor(n!) : words.faces.component(n!);
}

/** What a face is made of, in a few words, for those who do not see it and for its label. */
export function made(face: Face, words: Words): string {
  const t = words.faces;
  const changed = Object.entries(face.edits).filter(([, steps]) => steps !== 0);
  return [
    face.style ? t.ofPhoto : t.ofSeed(String(face.seed)),
    face.mix ? t.mixedWith(String(face.mix.origin.seed)) : '',
    changed.length > 0 ? t.changedBy(changed.map(([name]) => directionName(name, words)).join(t.and)) : '',
  ]
    .filter(Boolean)
    .join(t.comma);
}

/** The attributes first, as the server orders them; the nameless ones apart. */
export function grouped(directions: Direction[]): { named: Direction[]; nameless: Direction[] } {
  return {
    named: directions.filter(({ how }) => how === 'attribute' || how === 'boundary'),
    nameless: directions.filter(({ how }) => how === 'sefa' || how === 'ganspace'),
  };
}

/** The rows of a face's label. */
export function labelRows(face: Face, model: FaceModel, words: Words): { name: string; value: string }[] {
  const t = words.faces;
  const changed = Object.entries(face.edits).filter(([, steps]) => steps !== 0);
  return [
    { name: words.madeBy, value: [model.title, model.publisher, model.licence].filter(Boolean).join(' · ') },
    face.style ? { name: t.tab.photo, value: t.ofPhoto } : { name: words.seed, value: String(face.seed) },
    { name: t.psi, value: String(face.psi) },
    ...(face.class ? [{ name: t.class, value: face.class }] : []),
    ...(face.mix
      ? [
          {
            name: t.tab.mix,
            value: `${t.mixedWith(String(face.mix.origin.seed))} · ${t.layerNote(String(face.mix.first), String(face.mix.last))}`,
          },
        ]
      : []),
    ...(changed.length > 0
      ? [
          {
            name: t.change,
            value: changed
              .map(([name, steps]) => `${directionName(name, words)} ${signed(steps)}`)
              .join(' · '),
          },
        ]
      : []),
  ];
}

function signed(steps: number): string {
  return `${steps > 0 ? '+' : '−'}${Math.abs(steps)}`;
}

/** The rows of the label of many faces: what they have in common. */
export function commonRows(model: FaceModel, words: Words): { name: string; value: string }[] {
  return [
    { name: words.madeBy, value: [model.title, model.publisher, model.licence].filter(Boolean).join(' · ') },
  ];
}

export function gridRows(
  layers: { first: number; last: number },
  model: FaceModel,
  words: Words,
): { name: string; value: string }[] {
  const value = words.faces.layerNote(String(layers.first), String(layers.last));
  return [...commonRows(model, words), { name: words.faces.layers, value }];
}
