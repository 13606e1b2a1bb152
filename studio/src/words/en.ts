import type { PageName } from '../shell/pages';

/** Every text of the studio that is not content. The Chinese dictionary has the same keys, by its type. */
export const en = {
  // shell
  studio: 'Luoxia studio',
  pages: 'Pages',
  page: { write: 'Write', models: 'Models' } satisfies Record<PageName, string>,
  skip: 'Skip to the work',
  history: 'History',
  keys: 'Keys',
  close: 'Close',
  otherLanguage: '中文',
  theme: 'Theme',
  themeOf: { system: 'System theme', light: 'Light theme', dark: 'Dark theme' },

  // keys
  keysTitle: 'Keys',
  key: {
    enter: 'Make; from elsewhere, go to the prompt',
    shiftEnter: 'Break the line',
    esc: 'Stop; then leave the prompt',
    arrows: 'Walk through results',
    slash: 'Search history',
    question: 'List the keys',
  },
  keysNote: 'Arrows, / and ? work when the prompt is empty or no text box has the focus.',

  // prompt
  prompt: 'Prompt',
  promptPlaceholder: 'What shall be written?',
  make: 'Write',
  stop: 'Stop',
  clear: 'Clear the prompt',
  tryThis: 'Try this',
  tries: [
    'Explain photosynthesis to a ten-year-old',
    'Write a short poem about autumn water',
    'Three names for a small tea shop, with reasons',
    'A polite email asking to move a meeting',
  ],

  // results
  result: 'Result',
  results: 'Results',
  older: 'Older result',
  newer: 'Newer result',
  position: (at: number, of: number) => `${at} of ${of}`,
  exampleNote: 'An example, made earlier',
  aiGenerated: 'AI-generated',
  seedOf: (seed: string) => `Seed ${seed}`,
  seedReuse: 'Use this seed again',
  seedLocked: 'This seed is locked for the next answer',
  tokensPerSecond: (n: string) => `${n} tokens/s`,
  firstToken: (time: string) => `first after ${time}`,
  tokens: (n: string) => `${n} tokens`,
  copy: 'Copy',
  copied: 'Copied',
  again: 'Again',
  againHint: 'Make it once more from the same prompt and settings',
  reuse: 'Use settings',
  reuseHint: 'Take over prompt, settings, model and seed',
  finish: {
    length: 'Ended at the length limit. Raise “Longest answer” to let it go on.',
    cancelled: 'Stopped by you.',
    interrupted: 'Broken off before its end.',
  },
  waiting: {
    reading: 'Reading the prompt',
    loading: 'Loading the model',
    queued: 'Waiting for an earlier request to end',
  },
  announceStart: 'Writing',
  announceEnd: 'The answer is complete.',

  // label details
  labelDetails: 'How it was made',
  madeBy: 'Made by',
  madeAt: 'Made',
  model: 'Model',
  length: 'Length',
  seed: 'Seed',
  settings: 'Settings',

  // inspector
  inspector: 'Settings',
  foldInspector: 'Fold settings away',
  showInspector: 'Show settings',
  system: 'System text',
  systemPlaceholder: 'Who the model should be, and how it should answer',
  examples: 'Examples',
  examplesHint: 'Show the model pairs of question and answer to follow.',
  addExample: 'Add an example',
  removeExample: (n: number) => `Remove example ${n}`,
  exampleUser: (n: number) => `Example ${n}: asked`,
  exampleAssistant: (n: number) => `Example ${n}: answered`,
  asked: 'Asked',
  answered: 'Answered',
  sampling: 'Choosing words',
  restore: 'Restore defaults',
  slider: {
    max_tokens: 'Longest answer',
    temperature: 'Temperature',
    top_p: 'Top-p',
    top_k: 'Top-k',
    min_p: 'Min-p',
    repetition_penalty: 'Repetition penalty',
  },
  sliderHint: {
    max_tokens: 'In tokens; about four letters each.',
    temperature: 'Higher is bolder; 0 always takes the likeliest.',
    top_p: 'Only the likeliest that make up this share; 1 is off.',
    top_k: 'Only this many candidates; 0 is off.',
    min_p: 'Drops candidates far less likely than the best; 0 is off.',
    repetition_penalty: 'Above 1 discourages what was said already.',
  },
  seedRoll: 'Roll a new seed',
  seedLock: 'Keep this seed',
  seedUnlock: 'New seed each time',
  seedHintOpen: 'A new seed is rolled for each answer.',
  seedHintLocked: 'The same seed and settings give the same answer.',
  output: 'Shape of the answer',
  shape: { none: 'Free', json: 'JSON', regex: 'Pattern', choices: 'Choices' },
  shapeLabel: { json: 'JSON schema', regex: 'Regular expression', choices: 'Choices, one a line' },
  shapeExample: 'Insert an example',
  shapeProblem: {
    json: (why: string) => `The schema is not valid JSON: ${why}`,
    jsonObject: 'The schema has to be a JSON object, like {"type": "object"}.',
    regex: 'Write a regular expression, or set the shape to Free.',
    choices: 'Write at least one choice, or set the shape to Free.',
  },
  machine: (device: string, threads: string) => `${device}, ${threads} threads`,

  // offers and downloads
  noChinese: (model: string) => `${model} does not write Chinese.`,
  noChineseOther: 'No model in the catalogue does yet.',
  chineseHere: (model: string) => `${model} does, and is on this machine.`,
  chineseOffer: (model: string) => `${model} does.`,
  switchTo: 'Switch to it',
  notHere: (model: string) => `${model} is not on this machine yet.`,
  get: (size: string) => `Get it (${size})`,
  tryAgain: 'Try again',
  fetching: 'Fetching',
  checking: 'Checking',
  ofBytes: (done: string, total: string) => `${done} of ${total}`,
  left: (time: string) => `about ${time} left`,
  getFailed: 'The download did not finish.',
  stays: 'You may leave this page; the download goes on.',

  // models
  modelsLead: 'What this machine can write with. A model is fetched only when you ask for it.',
  here: 'On this machine',
  isDefault: 'Default',
  inUse: 'In use',
  use: 'Write with it',
  card: 'Card',
  hideCard: 'Hide card',
  context: (n: string) => `${n} tokens of context`,
  languages: { en: 'English', zh: 'Chinese' } as Record<string, string>,
  loading: 'Loading',
  notHereShort: 'not here yet',

  // history
  historySearch: 'Search prompts and answers',
  historyEmpty: 'Nothing made in this browser yet.',
  historyNone: 'Nothing matches.',
  historyRemove: 'Remove from history',
  historyClear: 'Clear history',
  historyClearSure: 'Remove all of it?',
  historyClearYes: 'Remove all',
  historyKeep: 'Keep',
  historyWhere: 'Kept in this browser only.',

  // failures
  noServer: 'The server does not answer. Start it again with “luoxia serve”, then try once more.',
  brokeOff: 'The connection broke off before the answer was complete.',
  badAnswer: (status: number) => `The server answered with status ${status} and no explanation.`,
  storageFull: 'The browser has no room left for history; this result is not kept.',
};

type Widened<T> = T extends string
  ? string
  : T extends (...args: infer A) => string
    ? (...args: A) => string
    : { [K in keyof T]: Widened<T[K]> };

export type Words = Widened<typeof en>;
