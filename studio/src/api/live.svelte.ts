import { language } from '../words/language.svelte';
import type { Schemas } from './client';
import { parted, type Head } from './frames';

/** A message as the server takes it; `what` null takes back what was asked for in the slot. */
interface Message {
  n: number;
  slot: string;
  model: string;
  what?: unknown;
}

interface Asked<A, H> {
  ask: A;
  then: (pictures: Blob[], head: H) => void;
  wrong: (message: string) => void;
}

const CROWDED = 1013; // the server has too many connections
const WAIT = [250, 500, 1000, 2000, 4000]; // milliseconds before another try

/**
 * The connection that pictures come through. In each slot only what was asked last matters: the server drops what it
 * has not begun, and after a lost connection only the last is asked again.
 */
export class Live<A extends Message, H extends Head> {
  failure: string | null = $state(null);

  #path: string;
  #last: (head: H) => boolean;
  #socket: WebSocket | null = null;
  #latest = new Map<string, Asked<A, H>>();
  #asked = new Map<number, Asked<A, H>>();
  #n = 0;
  #tries = 0;
  #language = language.name;

  /** Of the answers to one ask, `last` knows the one after which no other comes. */
  constructor(path: string, last: (head: H) => boolean = () => true) {
    this.#path = path;
    this.#last = last;
  }

  /** The number under which it was asked. Intermediate pictures of a slot are shown too, as they come. */
  ask(
    slot: A['slot'],
    model: string,
    what: NonNullable<A['what']>,
    then: Asked<A, H>['then'],
    wrong: Asked<A, H>['wrong'],
  ): number {
    if (this.#socket && this.#language !== language.name) this.#drop(); // refusals come in the language it was opened in
    const asked = { ask: { n: ++this.#n, slot, model, what } as A, then, wrong };
    this.#latest.set(slot, asked);
    this.#asked.set(this.#n, asked);
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(asked.ask));
    else if (!this.#socket) this.#open();
    return this.#n;
  }

  /** Nothing more in this slot; what was asked there is not answered any more. */
  stop(slot: A['slot']): void {
    const asked = this.#latest.get(slot);
    if (!asked) return;
    this.#settle(asked.ask.n);
    if (this.#socket?.readyState === WebSocket.OPEN)
      this.#socket.send(JSON.stringify({ ...asked.ask, n: ++this.#n, what: null }));
  }

  close(): void {
    this.#latest.clear();
    this.#asked.clear();
    this.#drop();
  }

  #drop(): void {
    this.#socket?.close();
    this.#socket = null;
  }

  #open(): void {
    this.#language = language.name;
    const address = new URL(`${this.#path}?language=${language.name}`, location.href);
    address.protocol = address.protocol.replace('http', 'ws');
    const socket = (this.#socket = new WebSocket(address));
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      for (const { ask } of this.#latest.values()) socket.send(JSON.stringify(ask));
    };
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer | string>) => {
      this.#tries = 0;
      this.failure = null;
      if (typeof data === 'string') this.#refused(JSON.parse(data) as Schemas['LiveRefusal']);
      else this.#answered(data);
    };
    socket.onclose = ({ code }) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      // Nobody is told of a short break; a slider that is moved opens it again.
      if (this.#tries > 1) this.failure = code === CROWDED ? language.words.crowded : language.words.noServer;
      if (this.#latest.size > 0)
        setTimeout(() => this.#retry(), WAIT[Math.min(this.#tries++, WAIT.length - 1)]);
    };
  }

  #retry(): void {
    if (!this.#socket && this.#latest.size > 0) this.#open();
  }

  #answered(data: ArrayBuffer): void {
    const { head, pictures } = parted<H>(data);
    const asked = this.#last(head) ? this.#settle(head.n) : this.#asked.get(head.n);
    asked?.then(pictures, head);
  }

  #refused({ n, error }: Schemas['LiveRefusal']): void {
    if (n === null) this.failure = error.message;
    else this.#settle(n)?.wrong(error.message);
  }

  /** What was asked under that number; all that was asked before it in its slot will not be answered any more. */
  #settle(n: number): Asked<A, H> | undefined {
    const asked = this.#asked.get(n);
    if (!asked) return undefined;
    for (const [number, other] of this.#asked)
      if (number <= n && other.ask.slot === asked.ask.slot) this.#asked.delete(number);
    if (this.#latest.get(asked.ask.slot) === asked) this.#latest.delete(asked.ask.slot);
    return asked;
  }
}
