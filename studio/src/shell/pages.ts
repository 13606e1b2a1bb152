/** The pages of the studio, in the order of the rail. A new page is a name here, a folder, and its words. */
export const PAGES = ['write', 'poem', 'draw', 'faces', 'finetune', 'models'] as const;
export type PageName = (typeof PAGES)[number];

/** The page a location's fragment names: `#/models`; the first page for anything else. */
export function pageOf(fragment: string): PageName {
  const name = fragment.replace(/^#\//, '');
  return PAGES.find((page) => page === name) ?? PAGES[0];
}
