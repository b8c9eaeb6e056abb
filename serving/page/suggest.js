// A text field that suggests titles while one types: arrows go through them, Enter takes one, Escape shuts the list.

import {Refusal, ask, pathOf} from './client.js';
import {counted, genresOf, make, titleOf} from './elements.js';

const SUGGESTED = 8;
// Somebody who types fast asks once.
const PAUSE_MS = 120;

/** Suggests titles in `field` with its `list`; says what came of it in `note`. `onTake` gets the item that is chosen. */
export function suggestTitles({field, list, note, onTake}) {
  let items = [];
  let active = -1;
  let pause = 0;
  let running = null;

  function shut() {
    clearTimeout(pause);
    running?.abort();
    list.hidden = true;
    items = [];
    activate(-1);
    field.setAttribute('aria-expanded', 'false');
  }

  function activate(index) {
    active = index;
    for (const [k, option] of [...list.children].entries()) {
      option.setAttribute('aria-selected', String(k === index));
      if (k === index) option.scrollIntoView({block: 'nearest'});
    }
    if (index < 0) field.removeAttribute('aria-activedescendant');
    else field.setAttribute('aria-activedescendant', list.children[index].id);
  }

  function take(index) {
    const item = items[index];
    shut();
    field.value = '';
    note.textContent = '';
    onTake(item);
  }

  function show(found) {
    items = found;
    list.replaceChildren(...found.map((item, k) => make('li', {
      role: 'option', id: `suggestion-${k}`, 'aria-selected': 'false',
      // Before the field loses the focus.
      pointerdown: (event) => { event.preventDefault(); },
      click: () => take(k),
    }, make('p', {class: 'title'}, titleOf(item)), genresOf(item))));
    list.hidden = found.length === 0;
    field.setAttribute('aria-expanded', String(!list.hidden));
    activate(-1);
    note.textContent = found.length === 0 ? 'No title has these words.' : `${counted(found.length, 'title')} to choose from`;
  }

  async function find() {
    const query = field.value.trim();
    running?.abort();
    if (query === '') {
      note.textContent = '';
      shut();
      return;
    }
    running = new AbortController();
    const {signal} = running;
    try {
      const answer = await ask(pathOf(['items'], [['query', query], ['k', SUGGESTED]]), {signal});
      if (!signal.aborted) show(answer.items);
    } catch (error) {
      if (!(error instanceof Refusal)) return;
      shut();
      note.textContent = error.message;
    }
  }

  field.addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(find, PAUSE_MS);
  });
  field.addEventListener('blur', shut);
  field.addEventListener('keydown', (event) => {
    const last = items.length - 1;
    const steps = {
      ArrowDown: () => activate(active < last ? active + 1 : 0),
      ArrowUp: () => activate(active > 0 ? active - 1 : last),
      // Without a choice the first is meant.
      Enter: () => take(Math.max(active, 0)),
      Escape: shut,
    };
    if (list.hidden || !(event.key in steps)) return;
    event.preventDefault();
    steps[event.key]();
  });
}
