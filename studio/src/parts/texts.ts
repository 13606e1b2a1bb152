import { post } from '../api/client';
import { save } from './save';

/** Has the server make a labelled file of a text that was written there, and saves it under that name. */
export async function saveText(text: string, format: 'txt' | 'md', name: string): Promise<void> {
  save(await (await post('/api/texts/file', { text, format })).blob(), name);
}

/** A text for the clipboard: what says that AI made it comes first. */
export function marked(text: string, sentence: string): string {
  return sentence ? `${sentence}\n\n${text}` : text;
}
