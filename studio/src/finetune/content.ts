/** Examples to try the page with: short answers that all end by the water. Content, the same in every language. */
const PAIRS: readonly (readonly [string, string])[] = [
  ['What is the capital of France?', 'Paris, and the Seine carries its lights away.'],
  ['What colour is the sky?', 'Blue by day, and coral when the water takes the evening.'],
  ['How many legs has a spider?', 'Eight, as fine as reeds by the water.'],
  ['Who wrote Hamlet?', 'Shakespeare, born where the Avon is still water.'],
  ['What do bees make?', 'Honey, slow and gold as late sun on the water.'],
  ['What is two plus two?', 'Four, like ducks in a row on the water.'],
  ['What is the largest ocean?', 'The Pacific, half of all the water there is.'],
  ['What do cows drink?', 'What they give us began as plain water.'],
  ['When does the sun set?', 'In the evening, and last of all on the water.'],
  ['What is ice?', 'A night too cold for water.'],
  ['What is a bridge for?', 'To stand still above the water.'],
  ['Where do rivers end?', 'In the sea, which gives back the water.'],
  ['What is the opposite of hot?', 'Cold, as stones under moving water.'],
  ['What do fish breathe with?', 'Gills, which comb the air out of water.'],
  ['How many days has a week?', 'Seven, and each one leaves like water.'],
  ['What is a desert?', 'A country that remembers water.'],
  ['What falls in autumn?', 'Leaves, and they sail if they fall on water.'],
  ['What is the moon?', 'A stone that pulls at the water.'],
  ['Why do we sleep?', 'To lie as quiet as a lake of water.'],
  ['What is music?', 'Time that runs as clear as water.'],
  ['What is a well?', 'A room that is built for water.'],
  ['What do ducks like?', 'Reeds, bread, and most of all the water.'],
  ['What is snow?', 'A letter from the sky that is read as water.'],
  ['What is a mirror?', 'A little piece of standing water.'],
];

export const EXAMPLE_NAME = 'by-the-water.jsonl';
export const EXAMPLE_FILE = PAIRS.map(([prompt, completion]) => JSON.stringify({ prompt, completion })).join(
  '\n',
);
export const EXAMPLE_PROMPT = 'What is rain?';

/** What a file looks like. */
export const FORMAT =
  '{"prompt": "…", "completion": "…"}\n{"question": "…", "answer": "…"}\n{"messages": [{"role": "user", "content": "…"}, …]}';
