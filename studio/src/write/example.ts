import type { Result } from '../history/results';
import { initialSampling } from './order';

/** What the page shows before anything was made: a real answer of the default model, recorded once. */
export const EXAMPLE: Result = {
  id: 'example',
  at: 0,
  model: 'smollm2-135m-instruct',
  prompt: 'Write a short story about a wild duck flying home at sunset.',
  system: '',
  examples: [],
  sampling: initialSampling(),
  shape: { kind: 'none', text: '' },
  seed: 7,
  text: "As the sun dipped below the horizon, casting a warm glow over the tranquil lake, the sound of raucous laughter filled the air. A lone wild duck emerged from the depths of the lake's waters, its feathers shimmering with an otherworldly light as it made its way to the shore. The duck was a majestic creature, its wings beating in time with the song of the sea creatures that had once called the island home.\n\nThe duck began to glide across the water, its legs outstretched and its tail swaying gently. Its feathers were soft and golden, as if they'd been crafted for this moment alone. The wind carried the scent of salt and the smell of the ocean's fury, transporting the duck to a place where nothing could match the beauty of the island.\n\nAs the duck continued on its journey, the sound of its own voice echoed through the water, carrying tales of its own adventures. The duck sang a haunting melody, one that spoke of the love and care that went into creating this island. It sang of the joy that came from being surrounded by nature, and the joy that came from being able to live life on its own terms.\n\nIn the end, the duck returned to the shore, its wings still beating, and the tale of its adventure became a part of the island's legend. The islanders knew that the only thing that truly mattered was their connection to the land, and the joy of sharing it with others. And so, the island remained forever changed, forever changed by the memory of the majestic wild duck that had flown away to the shores of the world.",
  finish: 'stop',
  tokens: 331,
  firstTokenSeconds: null,
  tokensPerSecond: null,
  sentence: '',
};
