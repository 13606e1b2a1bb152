import type { Schemas } from '../api/client';
import { record, text } from '../write/order';

export type FaceModel = Schemas['FaceModel'];
export type Direction = Schemas['DirectionFacts'];
export type Origin = Required<Schemas['Origin']>;

/** Everything that makes the same face again. */
export interface Face extends Origin {
  edits: Record<string, number>;
  mix: { first: number; last: number; origin: Origin } | null;
}

export const LARGEST_SEED = 2 ** 32 - 1; // as in the published programs
export const PSI = { min: 0, max: 1.2, step: 0.01, initial: 0.7 };
export const STEPS = { min: -3, max: 3, step: 0.1, initial: 0, origin: 0 };

export function originOf(seed: number, psi = PSI.initial, name: string | null = null): Origin {
  return { seed, psi, class: name, style: null };
}

export function faceOf(seed: number, psi?: number, name?: string | null): Face {
  return { ...originOf(seed, psi, name), edits: {}, mix: null };
}

export function copyOf(face: Face): Face {
  return {
    ...face,
    edits: { ...face.edits },
    mix: face.mix && { ...face.mix, origin: { ...face.mix.origin } },
  };
}

export function isFaceSeed(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= LARGEST_SEED;
}

/** Whether both make the same picture: a direction moved by nothing is as good as none. */
export function sameFace(a: Face, b: Face): boolean {
  return JSON.stringify(canonical(a)) === JSON.stringify(canonical(b));
}

function canonical(face: Face): unknown[] {
  const edits = Object.entries(face.edits).filter(([, steps]) => steps !== 0);
  edits.sort(([a], [b]) => (a < b ? -1 : 1));
  const origin = ({ seed, psi, class: name, style }: Origin): unknown[] => [
    style ? null : seed,
    psi,
    style ? null : name,
    style,
  ];
  return [origin(face), edits, face.mix && [face.mix.first, face.mix.last, origin(face.mix.origin)]];
}

/** The seeds around one, in order and itself in the middle; at an end of the range they go on at the other. */
export function seedsAround(seed: number, each: number): number[] {
  const count = LARGEST_SEED + 1;
  return Array.from({ length: 2 * each + 1 }, (_, i) => (seed - each + i + count) % count);
}

/** A face out of storage, where an older version or a curious hand may have written anything. */
export function faceFrom(value: unknown): Face | null {
  const from = record(value);
  const origin = originFrom(from);
  if (!origin) return null;
  const edits = Object.entries(record(from['edits'])).filter(
    (edit): edit is [string, number] => typeof edit[1] === 'number' && Math.abs(edit[1]) <= 10,
  );
  const mix = record(from['mix']);
  const other = originFrom(record(mix['origin']));
  const layers = [mix['first'], mix['last']].filter((layer): layer is number => Number.isInteger(layer));
  const [first, last] = layers;
  return {
    ...origin,
    edits: Object.fromEntries(edits),
    mix:
      other && first !== undefined && last !== undefined && 0 <= first && first <= last
        ? { first, last, origin: other }
        : null,
  };
}

/** A style lives as long as the server's session: what names one is not taken out of storage. */
function originFrom(from: Record<string, unknown>): Origin | null {
  const psi = from['psi'];
  if (!isFaceSeed(from['seed']) || typeof psi !== 'number' || Math.abs(psi) > 2 || from['style']) return null;
  return { seed: from['seed'], psi, class: text(from['class']) || null, style: null };
}

/** Layers by what they are about, of a model with `count` of them: those of 4 and 8 pixels, 16 and 32, and beyond. */
export function layerGroups(
  count: number,
): { name: 'coarse' | 'middle' | 'fine'; first: number; last: number }[] {
  return (
    [
      { name: 'coarse', first: 0, last: Math.min(3, count - 1) },
      { name: 'middle', first: 4, last: Math.min(7, count - 1) },
      { name: 'fine', first: 8, last: count - 1 },
    ] as const
  ).filter(({ first, last }) => first <= last);
}

export type Strength = 'strong' | 'clear' | 'faint';

/** How much a step does of what it says, in words; null for a direction that has no attribute. */
export function strengthOf({ own }: Direction): Strength | null {
  if (own === null) return null;
  return own >= 0.85 ? 'strong' : own >= 0.5 ? 'clear' : 'faint';
}

/** Whether a step takes other attributes along that a person would notice. */
export function takesAlong({ others }: Direction): boolean {
  return others !== null && others > 0.25;
}
