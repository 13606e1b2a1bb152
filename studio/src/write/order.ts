import type { ChatRequest } from '../api/client';
import { initialOf, knobsFrom, type Range } from '../parts/knobs';
import type { Words } from '../words/en';

/** Pairs shown to the model before the prompt. */
export interface Example {
  user: string;
  assistant: string;
}

/** The knobs under the server's own names. */
export interface Sampling {
  max_tokens: number;
  temperature: number;
  top_p: number;
  top_k: number;
  min_p: number;
  repetition_penalty: number;
}

export const SHAPES = ['none', 'json', 'regex', 'choices'] as const;
export type ShapeName = (typeof SHAPES)[number];

/** What the answer has to look like: a JSON schema, a regular expression, or choices, one a line. */
export interface Shape {
  kind: ShapeName;
  text: string;
}

/** Everything that, with a seed, makes the same answer again. */
export interface Order {
  model: string;
  prompt: string;
  system: string;
  examples: Example[];
  sampling: Sampling;
  shape: Shape;
}

export type Knob = keyof Sampling;

export const RANGES: Record<Knob, Range> = {
  max_tokens: { min: 16, max: 4096, step: 16, initial: 512 },
  temperature: { min: 0, max: 2, step: 0.05, initial: 0.3 },
  top_p: { min: 0.05, max: 1, step: 0.01, initial: 0.9 },
  top_k: { min: 0, max: 200, step: 1, initial: 0 },
  min_p: { min: 0, max: 0.5, step: 0.01, initial: 0 },
  repetition_penalty: { min: 1, max: 2, step: 0.01, initial: 1.1 },
};

export const KNOBS = Object.keys(RANGES) as Knob[];

export function initialSampling(): Sampling {
  return initialOf(RANGES);
}

export function choicesOf(text: string): string[] {
  const lines = text.split('\n').map((line) => line.trim());
  return [...new Set(lines.filter((line) => line !== ''))];
}

/** What is wrong with the shape, in words, before the server is asked. */
export function shapeProblem(shape: Shape, words: Words): string | null {
  const say = words.shapeProblem;
  if (shape.kind === 'regex') return shape.text === '' ? say.regex : null;
  if (shape.kind === 'choices') return choicesOf(shape.text).length === 0 ? say.choices : null;
  if (shape.kind === 'json') {
    try {
      const schema: unknown = JSON.parse(shape.text);
      return typeof schema === 'object' && schema !== null && !Array.isArray(schema) ? null : say.jsonObject;
    } catch (error) {
      return say.json((error as Error).message);
    }
  }
  return null;
}

/** The order as the API takes it. Its shape must be without a problem. */
export function requestOf(order: Order, seed: number): ChatRequest {
  const messages: ChatRequest['messages'] = [];
  if (order.system.trim()) messages.push({ role: 'system', content: order.system });
  for (const { user, assistant } of order.examples) {
    if (!user.trim() || !assistant.trim()) continue; // half a pair teaches nothing
    messages.push({ role: 'user', content: user }, { role: 'assistant', content: assistant });
  }
  messages.push({ role: 'user', content: order.prompt });
  return {
    model: order.model,
    messages,
    ...order.sampling,
    ...shapeFields(order.shape),
    seed,
    stream: true,
    stream_options: { include_usage: true },
  };
}

function shapeFields({ kind, text }: Shape): Partial<ChatRequest> {
  if (kind === 'json') {
    const schema = JSON.parse(text) as Record<string, unknown>;
    return { response_format: { type: 'json_schema', json_schema: { name: 'answer', schema } } };
  }
  if (kind === 'regex') return { guided_regex: text };
  if (kind === 'choices') return { guided_choice: choicesOf(text) };
  return {};
}

/** An order out of storage, where an older version or a curious hand may have written anything. */
export function orderFrom(value: unknown): Order {
  const from = record(value);
  const shape = record(from['shape']);
  const kind = SHAPES.find((name) => name === shape['kind']) ?? 'none';
  return {
    model: text(from['model']),
    prompt: text(from['prompt']),
    system: text(from['system']),
    examples: (Array.isArray(from['examples']) ? from['examples'] : []).map((item) => ({
      user: text(record(item)['user']),
      assistant: text(record(item)['assistant']),
    })),
    sampling: knobsFrom(RANGES, record(from['sampling'])),
    shape: { kind, text: kind === 'none' ? '' : text(shape['text']) },
  };
}

export function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

export function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
