/**
 * What of a growing text a screen reader should hear next: whole sentences, so that it is not interrupted at each
 * token. Gives the end of the last complete sentence after `from`, or `from` when there is none yet.
 */
export function spokenUntil(text: string, from: number): number {
  let end = from;
  const sentence = /[.!?]["')\]]*\s|[。！？；]["”’」』）]*|\n/g;
  sentence.lastIndex = from;
  for (let match = sentence.exec(text); match; match = sentence.exec(text)) end = sentence.lastIndex;
  return end;
}
