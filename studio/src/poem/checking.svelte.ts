import { isAbort, post, told } from '../api/client';
import { keep, kept } from '../shell/kept';
import { record, text } from '../write/order';
import { SOUND_POEM } from './content';
import { FIRST_BOOK, type Verdict } from './order';

const NAME = 'poem-check';
const AFTER = 200; // milliseconds without a key, then it is looked at

/** A poem of the reader's own and what is right and wrong with it, as it is typed. */
class Checking {
  text = $state('');
  form = $state(''); // empty for the one that it has the shape of
  rhyme = $state(FIRST_BOOK);
  tones = $state(true);
  acrostic = $state('');

  verdict: Verdict | null = $state.raw(null);
  of = $state(''); // the text that the verdict is of
  failure: string | null = $state(null);

  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const stored = record(kept(NAME));
    this.text = text(stored['text']);
  }

  /** Whether the example is shown, because there is no poem yet. */
  get isExample(): boolean {
    return this.text.trim() === '';
  }

  /** Look at it when the typing pauses. */
  soon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.now(), AFTER);
  }

  async now(): Promise<void> {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    const poem = this.isExample ? SOUND_POEM : this.text;
    const { rhyme, tones, acrostic } = this;
    const ask = { text: poem, form: this.form || null, rhyme, tones, acrostic: acrostic.trim() };
    try {
      const answer = await post('/api/poem/check', ask, { signal: abort.signal });
      this.verdict = (await answer.json()) as Verdict;
      this.of = poem;
      this.failure = null;
    } catch (error) {
      if (!isAbort(error)) this.failure = told(error);
    }
    keep(NAME, { text: this.text });
  }
}

export const checking = new Checking();
