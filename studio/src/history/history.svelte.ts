import { Past } from './past.svelte';
import { results, type Result } from './results';

class History extends Past<Result> {
  open = $state(false); // whether the shown page's past is being looked through

  constructor() {
    super(results, ({ finish }) => finish === null);
  }
}

export const history = new History();
