import type { PageName } from './pages';
import { route } from './route.svelte';

/** A picture on its way from one page to another. */
let way: { to: PageName; picture: Blob } | null = null;

export function send(to: PageName, picture: Blob): void {
  way = { to, picture };
  route.go(to);
}

/** Whether something was sent to this page. */
export function expects(page: PageName): boolean {
  return way?.to === page;
}

/** What was sent to this page, once. */
export function received(page: PageName): Blob | null {
  if (way?.to !== page) return null;
  const { picture } = way;
  way = null;
  return picture;
}
