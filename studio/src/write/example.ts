import type { Result } from '../history/results';
import { initialSampling } from './order';

/** What the page shows before anything was made: a real answer of the default model, recorded once. */
export const EXAMPLE: Result = {
  id: 'example',
  at: 0,
  model: 'smollm2-135m-instruct',
  prompt: 'What will I find on this page?',
  system: '',
  examples: [],
  sampling: initialSampling(),
  shape: { kind: 'none', text: '' },
  seed: 7,
  text: 'This is a placeholder until a recorded answer of the model takes its place.',
  finish: 'stop',
  tokens: null,
  firstTokenSeconds: null,
  tokensPerSecond: null,
};
