import { pageOf, type PageName } from './pages';

class Route {
  page: PageName = $state(pageOf(location.hash));

  constructor() {
    addEventListener('hashchange', () => (this.page = pageOf(location.hash)));
  }

  go(page: PageName): void {
    location.hash = `#/${page}`;
  }
}

export const route = new Route();
