import { afterEach, expect, test, vi } from 'vitest';
import { Desk } from './desk.svelte';

const SERVER = { temperature: 0.65, shaped_temperature: 0.3 };

afterEach(() => vi.unstubAllGlobals());

function stored(): Map<string, string> {
  const items = new Map<string, string>();
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => items.get(key) ?? null,
    setItem: (key: string, value: string) => items.set(key, value),
  });
  return items;
}

test('the temperature is the usual one of the server, by the shape that is asked for', () => {
  const desk = new Desk();
  desk.follow(SERVER);
  expect([desk.order.sampling.temperature, desk.usual]).toEqual([0.65, 0.65]);
  desk.shape = 'regex';
  desk.follow(SERVER);
  expect([desk.order.sampling.temperature, desk.usual]).toEqual([0.3, 0.3]);
});

test('one that was chosen stays, when the tab comes back too', () => {
  stored();
  const desk = new Desk();
  desk.follow(SERVER);
  desk.sampling.temperature = 0.3;
  desk.save();
  const back = new Desk();
  back.follow(SERVER);
  expect([back.sampling.temperature, back.usual]).toEqual([0.3, 0.65]);
});

test('what an older page kept as its own usual temperature is no choice', () => {
  stored().set('luoxia.write', JSON.stringify({ sampling: { temperature: 0.3 } }));
  const desk = new Desk();
  desk.follow(SERVER);
  expect(desk.sampling.temperature).toBe(0.65);
});

test('an earlier order keeps the temperature that it was written with', () => {
  const desk = new Desk();
  desk.follow(SERVER);
  const order = { ...desk.order, shape: { kind: 'regex' as const, text: 'a' } };
  desk.take(order, 7);
  desk.follow(SERVER);
  expect([desk.sampling.temperature, desk.usual]).toEqual([0.65, 0.3]);
});
