/**
 * A small Markdown for what models write and for model cards: a tree of plain data, which Markdown.svelte turns
 * into elements. Text stays text: there is no HTML, and links and pictures are left as they were written.
 */
export type Inline =
  { kind: 'text' | 'code'; text: string } | { kind: 'strong' | 'em'; of: Inline[] } | { kind: 'break' };

export type Block =
  | { kind: 'paragraph'; of: Inline[] }
  | { kind: 'heading'; level: number; of: Inline[] }
  | { kind: 'list'; ordered: boolean; start: number; items: Block[][] }
  | { kind: 'code'; text: string }
  | { kind: 'quote'; of: Block[] }
  | { kind: 'table'; head: Inline[][]; rows: Inline[][][] }
  | { kind: 'rule' };

const DEEPEST = 8; // levels of nesting; what is deeper stays text
const FARTHEST = 2000; // characters to the end of an emphasis: keeps a hostile text from taking quadratic time

const HEADING = /^ {0,3}(#{1,6})\s+(.*?)\s*#*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;
const RULE = /^ {0,3}([-*_])(\s*\1){2,}\s*$/;
const QUOTE = /^ {0,3}> ?/;
const ITEM = /^( {0,3})([-*+•]|(\d{1,9})[.)])(\s+|$)/;
const CELLS = /^\s*\|.*\|\s*$/;
const DIVIDER = /^\s*\|(\s*:?-+:?\s*\|)+\s*$/;

/** `breaks`: a single line break in a paragraph is meant (chat), or only where the source was wrapped (cards). */
export function parse(text: string, { breaks = true } = {}): Block[] {
  return blocks(text.replace(/\r\n?/g, '\n').split('\n'), breaks, 0);
}

function blocks(lines: string[], breaks: boolean, depth: number): Block[] {
  const found: Block[] = [];
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    if (line.trim() === '') {
      at++;
      continue;
    }
    const fence = FENCE.exec(line);
    if (fence) {
      const end = closing(lines, at + 1, fence[1]!);
      found.push({ kind: 'code', text: lines.slice(at + 1, end).join('\n') });
      at = end + 1;
      continue;
    }
    const heading = HEADING.exec(line);
    if (heading) {
      found.push({ kind: 'heading', level: heading[1]!.length, of: inline(heading[2]!) });
      at++;
      continue;
    }
    if (RULE.test(line)) {
      found.push({ kind: 'rule' });
      at++;
      continue;
    }
    if (CELLS.test(line) && DIVIDER.test(lines[at + 1] ?? '')) {
      const end = until(lines, at + 2, (row) => !CELLS.test(row));
      found.push({ kind: 'table', head: cells(line), rows: lines.slice(at + 2, end).map(cells) });
      at = end;
      continue;
    }
    if (QUOTE.test(line) && depth < DEEPEST) {
      const end = until(lines, at, (row) => !QUOTE.test(row));
      const inner = lines.slice(at, end).map((row) => row.replace(QUOTE, ''));
      found.push({ kind: 'quote', of: blocks(inner, breaks, depth + 1) });
      at = end;
      continue;
    }
    if (ITEM.test(line) && depth < DEEPEST) {
      const [list, end] = takeList(lines, at, breaks, depth);
      found.push(list);
      at = end;
      continue;
    }
    const end = until(lines, at + 1, (row) => row.trim() === '' || startsBlock(row));
    found.push({ kind: 'paragraph', of: paragraph(lines.slice(at, end), breaks) });
    at = end;
  }
  return found;
}

function startsBlock(line: string): boolean {
  return [FENCE, HEADING, RULE, QUOTE, ITEM, CELLS].some((pattern) => pattern.test(line));
}

function until(lines: string[], from: number, ends: (line: string) => boolean): number {
  let at = from;
  while (at < lines.length && !ends(lines[at]!)) at++;
  return at;
}

function closing(lines: string[], from: number, fence: string): number {
  return until(
    lines,
    from,
    (line) => line.trim().startsWith(fence) && line.trim().replaceAll(fence[0]!, '') === '',
  );
}

function takeList(lines: string[], from: number, breaks: boolean, depth: number): [Block, number] {
  const first = ITEM.exec(lines[from]!)!;
  const ordered = first[3] !== undefined;
  const items: Block[][] = [];
  let at = from;
  while (at < lines.length) {
    const item = ITEM.exec(lines[at]!);
    if (!item || (item[3] !== undefined) !== ordered || RULE.test(lines[at]!)) break;
    const width = item[0].length;
    const inner = [lines[at]!.slice(width)];
    at++;
    while (at < lines.length) {
      const line = lines[at]!;
      const indent = line.length - line.trimStart().length;
      if (line.trim() === '') {
        // A blank line belongs to the item only when something indented follows.
        const next = lines[at + 1] ?? '';
        if (!/^\s{2,}\S/.test(next)) break;
      } else if (indent < 2 && startsBlock(line)) break;
      else if (indent < 2 && lines[at - 1]!.trim() === '') break;
      inner.push(line.slice(Math.min(indent, width)));
      at++;
    }
    items.push(blocks(inner, breaks, depth + 1));
    // Items may be set apart by blank lines.
    const next = until(lines, at, (line) => line.trim() !== '');
    if (next > at && ITEM.test(lines[next] ?? '')) at = next;
  }
  return [{ kind: 'list', ordered, start: Number(first[3] ?? 1), items }, at];
}

function cells(line: string): Inline[][] {
  return line
    .trim()
    .slice(1, -1)
    .split('|')
    .map((cell) => inline(cell.trim()));
}

const WIDE = /[\p{Script=Han}\u3000-\u303f\uff00-\uffef]/u;

function paragraph(lines: string[], breaks: boolean): Inline[] {
  const trimmed = lines.map((line) => line.trim());
  if (breaks) return inline(trimmed.join('\n'));
  // Chinese is wrapped without spaces and joined without them.
  const joined = trimmed.reduce(
    (text, line) => text + (WIDE.test(text.slice(-1)) && WIDE.test(line[0] ?? '') ? '' : ' ') + line,
  );
  return inline(joined);
}

export function inline(text: string, depth = 0): Inline[] {
  const found: Inline[] = [];
  let plain = '';
  let at = 0;
  const flush = (): void => {
    if (plain) found.push({ kind: 'text', text: plain });
    plain = '';
  };
  while (at < text.length) {
    const char = text[at]!;
    if (char === '\\' && /[\\`*_#>|[\](){}.!+~-]/.test(text[at + 1] ?? '')) {
      plain += text[at + 1];
      at += 2;
      continue;
    }
    if (char === '\n') {
      flush();
      found.push({ kind: 'break' });
      at++;
      continue;
    }
    if (char === '`') {
      const run = /^`+/.exec(text.slice(at, at + 10))![0];
      const end = text.slice(0, at + FARTHEST).indexOf(run, at + run.length);
      if (end > 0) {
        flush();
        found.push({ kind: 'code', text: text.slice(at + run.length, end).trim() });
        at = end + run.length;
      } else {
        plain += run;
        at += run.length;
      }
      continue;
    }
    if ((char === '*' || char === '_') && depth < DEEPEST) {
      const mark = text[at + 1] === char ? char + char : char;
      const end = emphasisEnd(text, at, mark);
      if (end > 0) {
        flush();
        const of = inline(text.slice(at + mark.length, end), depth + 1);
        found.push({ kind: mark.length === 2 ? 'strong' : 'em', of });
        at = end + mark.length;
      } else {
        plain += mark;
        at += mark.length;
      }
      continue;
    }
    plain += char;
    at++;
  }
  flush();
  return found;
}

const WORD = /[\p{L}\p{N}]/u;

/** Where the mark at `start` is closed, or -1: it must hug what it emphasises, and `_` not be inside a word. */
function emphasisEnd(text: string, start: number, mark: string): number {
  const char = mark[0]!;
  if (/\s|^$/.test(text[start + mark.length] ?? '')) return -1;
  if (char === '_' && WORD.test(text[start - 1] ?? '')) return -1;
  const last = Math.min(text.length, start + FARTHEST);
  for (let at = start + mark.length + 1; at < last; at++) {
    if (!text.startsWith(mark, at) || /\s/.test(text[at - 1]!)) continue;
    if (text[at - 1] === '\\') continue;
    if (char === '_' && WORD.test(text[at + mark.length] ?? '')) continue;
    if (mark.length === 1 && (text[at + 1] === char || text[at - 1] === char)) {
      at++; // half of a double mark
      continue;
    }
    return at;
  }
  return -1;
}
