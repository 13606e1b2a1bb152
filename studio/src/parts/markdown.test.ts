import { render } from 'svelte/server';
import { describe, expect, test } from 'vitest';
import { inline, parse, type Inline } from './markdown';
import Markdown from './Markdown.svelte';

/** The elements and text that a page would show, without Svelte's own marks. */
function html(text: string, breaks = true): string {
  return render(Markdown, { props: { text, breaks } })
    .body.replace(/<!--.*?-->/gs, '')
    .replace(/ class="[^"]*"/g, '')
    .replace(/\s*\n\s*/g, '');
}

describe('hostile text stays text', () => {
  test.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '**<b onclick="x">**',
    '`<iframe>`',
    '```\n</code></pre><script>alert(1)</script>\n```',
    '# <svg/onload=alert(1)>',
    '- <a href="javascript:alert(1)">x</a>',
    '| <i> |\n| --- |\n| <u> |',
    '> <style>*{}</style>',
  ])('%s', (text) => {
    const tags = html(text).match(/<\/?[a-z0-9]+/g) ?? [];
    const own = /^<\/?(div|p|strong|code|pre|h3|ul|li|table|thead|tbody|tr|th|td|blockquote)$/;
    for (const tag of tags) expect(tag).toMatch(own);
    expect(html(text)).toContain('&lt;');
  });

  test('links and pictures load and lead nowhere', () => {
    const text = '[x](javascript:alert(1)) ![y](https://example.org/z.png)';
    expect(html(text)).toBe(`<div><p>${text}</p></div>`);
  });
});

describe('inline', () => {
  const flat = (nodes: Inline[]): string =>
    nodes
      .map((node) =>
        node.kind === 'break'
          ? '/'
          : 'of' in node
            ? `${node.kind}(${flat(node.of)})`
            : node.kind === 'code'
              ? `code(${node.text})`
              : node.text,
      )
      .join('');
  test.each([
    ['a **b** c', 'a strong(b) c'],
    ['*a* and _b_', 'em(a) and em(b)'],
    ['**a *b* c**', 'strong(a em(b) c)'],
    ['2 * 3 * 4', '2 * 3 * 4'],
    ['snake_case_name', 'snake_case_name'],
    ['**open', '**open'],
    ['`a*b*`', 'code(a*b*)'],
    ['``a`b``', 'code(a`b)'],
    ['\\*a\\*', '*a*'],
    ['**落霞**与', 'strong(落霞)与'],
    ['a\nb', 'a/b'],
  ])('%s', (text, shape) => expect(flat(inline(text))).toBe(shape));
});

describe('blocks', () => {
  test('paragraphs, headings, rules and quotes', () => {
    expect(html('# A\ntext\n\n---\n> q\n> r')).toBe(
      '<div><h3>A</h3><p>text</p><hr/><blockquote><p>q<br/>r</p></blockquote></div>',
    );
  });

  test('lists, nested and set apart', () => {
    expect(html('1. a\n   - b\n   - c\n\n2. d\nafter')).toBe(
      '<div><ol start="1"><li><p>a</p><ul><li>b</li><li>c</li></ul></li><li>d<br/>after</li></ol></div>',
    );
    expect(html('3) x\n\ntext')).toBe('<div><ol start="3"><li>x</li></ol><p>text</p></div>');
  });

  test('code keeps what is in it, and runs to the end while it streams', () => {
    expect(html('```py\n# no *heading*\n\nx\n```\nafter')).toBe(
      '<div><pre tabindex="0"><code># no *heading*\n\nx</code></pre><p>after</p></div>'.replace(/\n+/g, ''),
    );
    expect(parse('```\nx')).toEqual([{ kind: 'code', text: 'x' }]);
  });

  test('tables need their divider', () => {
    expect(html('| a | b |\n| --- | :-: |\n| 1 | **2** |')).toBe(
      '<div><div><table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td>' +
        '<td><strong>2</strong></td></tr></tbody></table></div></div>',
    );
    expect(html('| a | b |')).toBe('<div><p>| a | b |</p></div>');
  });

  test('wrapped cards are joined, Chinese without spaces', () => {
    expect(html('one\ntwo', false)).toBe('<div><p>one two</p></div>');
    expect(html('秋水\n长天', false)).toBe('<div><p>秋水长天</p></div>');
  });
});

test.each([
  '*a '.repeat(20_000),
  '> '.repeat(5000),
  '`'.repeat(30_000),
  '- '.repeat(9000),
  '|'.repeat(30_000),
  '**'.repeat(20_000),
])('takes bounded time for text %#', (text) => {
  const times = [1, 2, 3].map(() => {
    const start = performance.now();
    parse(text);
    return performance.now() - start;
  });
  expect(Math.min(...times)).toBeLessThan(1000); // the least: others may have had the processor meanwhile
});
